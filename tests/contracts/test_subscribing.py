"""events/SUBSCRIBING.md keeps what it says about us: the tests that it names are there, and the settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "events" / "SUBSCRIBING.md").read_text()

PROMISES = re.compile(r"^\| (?!test \||\|)(.+?) \| (.+?) \|$", re.MULTILINE)
NAMED = re.compile(r"`(?:[\w/]+/)?(test_\w+?)(?:\.py)?`")


def known() -> set[str]:
    """The names of all tests, and of the files that they are in."""
    files = list((ROOT / "tests").rglob("test_*.py"))
    tests = re.findall(r"def (test_\w+)\(", "\n".join(path.read_text() for path in files))
    return {path.stem for path in files} | set(tests)


def test_every_test_that_it_names_is_there() -> None:
    named = set(NAMED.findall(TEXT))
    assert len(named) > 10
    assert named - known() == set()


@pytest.mark.parametrize("promise", [row[0] for row in PROMISES.findall(TEXT) if "---" not in row[0]])
def test_every_promise_names_its_test(promise: str) -> None:
    (test,) = (row[1] for row in PROMISES.findall(TEXT) if row[0] == promise)
    assert test == "the same" or NAMED.search(test)


def test_every_variable_that_it_names_is_a_setting() -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]+(?=`)", TEXT)) - {"CUSTOMERS_LATEST"}
    assert named
    assert named <= {PREFIX + name.upper() for name in Settings.model_fields}
