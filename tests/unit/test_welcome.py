"""What `customers up` prints is to be copied, and has to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.cli.up import program


def test_the_program_is_named_so_that_it_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/customers", "up"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == ".venv/bin/customers"
    installed = tmp_path / "customers"
    installed.touch(mode=0o755)
    assert program() == "customers"
    monkeypatch.setattr("sys.argv", ["service/cli/__main__.py", "up"])
    installed.unlink()
    assert program() == "customers"
