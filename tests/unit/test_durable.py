"""Files that are there whole or not at all, and what is left of others."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from service.durable import secret_stream, write_secret


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_secret(file, "before")
    with pytest.raises(ZeroDivisionError), secret_stream(file) as stream:
        stream.write(b"after" + bytes(1 // 0))
    assert names_in(tmp_path) == ["file"]
    assert file.read_text() == "before"


def test_what_is_left_of_a_killed_process_goes_and_what_another_writes_stays(tmp_path: Path) -> None:
    for name in (".file[1].7", ".file[1].8", ".file[1].bak", ".file1.9"):
        (tmp_path / name).touch()
    with (tmp_path / ".file[1].8").open("rb") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        write_secret(tmp_path / "file[1]", "")
    assert names_in(tmp_path) == [".file1.9", ".file[1].8", ".file[1].bak", "file[1]"]
