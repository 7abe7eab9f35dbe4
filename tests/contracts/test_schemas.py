"""The published schemas are what the models give; no revision breaks who relies on an earlier one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from events.wire import message, wire_schemas
from events.wire.json_schemas import schema_of
from events.wire.schema_files import MAJOR, file_of, published_names, read_schema, revisions, write_schemas
from projections import billing_schemas
from tests.support.schema_compatibility import breaks_readers, breaks_senders

PUBLISHED: list[tuple[Path, dict[str, Any], Callable[[Any, Any], list[str]]]] = [
    (wire_schemas.FOLDER, wire_schemas.MODELS, breaks_readers),
    (billing_schemas.FOLDER, billing_schemas.MODELS, breaks_senders),
]
EACH = [(folder, name, breaks) for folder, models, breaks in PUBLISHED for name in models]
NAMES = [f"{folder.parent.name} {name}" for folder, name, _ in EACH]


@pytest.mark.parametrize(
    ("folder", "models"),
    [(folder, models) for folder, models, _ in PUBLISHED],
    ids=["events", "projections"],
)
def test_the_files_are_what_the_models_give(folder: Path, models: dict[str, Any]) -> None:
    assert published_names(folder) == set(models)
    for name, model in models.items():
        newest = revisions(folder, name)[-1]
        assert newest.read_bytes() == file_of(newest, schema_of(model)), "run make schemas"


@pytest.mark.parametrize(("folder", "name", "breaks"), EACH, ids=NAMES)
def test_no_revision_breaks_who_relies_on_an_earlier_one(
    folder: Path, name: str, breaks: Callable[[Any, Any], list[str]]
) -> None:
    schemas = [read_schema(path) for path in revisions(folder, name)]
    assert all(breaks(schema, schema) == [] for schema in schemas)
    for earlier, later in combinations(schemas, 2):
        assert breaks(earlier, later) == []


@pytest.mark.parametrize(("folder", "name", "breaks"), EACH, ids=NAMES)
def test_a_file_is_a_schema_by_itself(folder: Path, name: str, breaks: Any) -> None:
    for path in revisions(folder, name):
        schema = read_schema(path)
        assert jsonschema_rs.meta.is_valid(schema)
        assert not jsonschema_rs.validator_for(schema).is_valid({}) or name == "headers.plain"


def test_the_major_version_is_that_of_the_subjects() -> None:
    assert f"customers.v{MAJOR}.>" == message.SUBJECTS


def test_another_schema_is_another_revision_and_other_words_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "schemas"
    text = {"type": "object", "properties": {"title": {"type": "string"}}}
    assert names(write_schemas(folder, {"x.y": text})) == ["x.y.v1.0.json"]
    assert names(write_schemas(folder, {"x.y": text})) == []
    told = text | {"description": "Told in other words."}
    assert names(write_schemas(folder, {"x.y": told})) == ["x.y.v1.0.json"]
    number = {"type": "object", "properties": {"title": {"type": "integer"}}}
    for revision in range(1, 12):
        changed = number if revision % 2 else text
        assert names(write_schemas(folder, {"x.y": changed})) == [f"x.y.v1.{revision}.json"]
    assert [path.name for path in revisions(folder, "x.y")] == [f"x.y.v1.{n}.json" for n in range(12)]
    assert published_names(folder) == {"x.y"}


def names(paths: Any) -> list[str]:
    return [path.name for path in paths]
