"""Reading .sql files: statements by name, and every one of ours is used."""

from __future__ import annotations

from pathlib import Path

import pytest

import events.queries
import projections.queries
import service.queries
from events.statements import Statement, read_statements


def written(folder: Path, text: str) -> Path:
    path = folder / "queries.sql"
    path.write_text(text)
    return path


def test_each_heading_begins_a_statement_and_its_semicolon_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, "-- one: the first\nSELECT 1;\n\n-- two_more: others\nSELECT 2,\n    3;\n")
    assert read_statements(path) == {
        "one": Statement("one", "SELECT 1"),
        "two_more": Statement("two_more", "SELECT 2,\n    3"),
    }


def test_what_stands_above_the_first_heading_and_comments_within_a_statement_are_no_headings(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, "-- About this file\n\n-- one: the first\n-- Because\nSELECT 1 -- two: no\n")
    assert read_statements(path) == {"one": Statement("one", "-- Because\nSELECT 1 -- two: no")}


def test_a_name_used_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "-- one: a\nSELECT 1;\n-- one: b\nSELECT 2;\n")
    with pytest.raises(ValueError, match=r"queries\.sql: one is defined twice"):
        read_statements(path)


@pytest.mark.parametrize("module", [events.queries, projections.queries, service.queries])
def test_every_statement_has_a_name_in_python_like_its_own(module: object) -> None:
    named = {name.lower(): value for name, value in vars(module).items() if isinstance(value, Statement)}
    files = sorted((Path(str(vars(module)["__file__"])).parent / "sql").glob("*.sql"))
    statements = [statement for file in files for statement in read_statements(file).items()]
    assert named == dict(statements)
    assert len(named) == len(statements)


@pytest.mark.parametrize("module", [events.queries, projections.queries, service.queries])
def test_every_statement_is_used(module: object) -> None:
    root = Path(str(vars(module)["__file__"])).parents[1]
    sources = [
        path.read_text()
        for package in ("events", "projections", "service")
        for path in (root / package).rglob("*.py")
        if path.name != "queries.py"
    ]
    names = [name for name, value in vars(module).items() if isinstance(value, Statement)]
    assert [name for name in names if not any(name in source for source in sources)] == []
