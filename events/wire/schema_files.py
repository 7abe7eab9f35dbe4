"""Published schemas as files: what models give, and what was published before.

In: schemas by name (`customer.created`), a folder. Out: files `NAME.v1.0.json`, `NAME.v1.1.json`, … A file
that was published is never changed but in its texts: a schema that differs becomes the next revision, so that
each can be compared with all before it. What breaks readers needs another major version (README.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from events.wire.json_schemas import DIALECT, Schema

MAJOR = 1
"""The version in the subjects `customers.v1.…`."""

_TEXTS = frozenset({"title", "description", "examples"})


def revisions(folder: Path, name: str) -> list[Path]:
    """The files of a schema, oldest first."""
    return sorted(folder.glob(f"{name}.v{MAJOR}.*.json"), key=_number)


def published_names(folder: Path) -> set[str]:
    """Whose schemas there are."""
    return {path.name.partition(f".v{MAJOR}.")[0] for path in folder.glob(f"*.v{MAJOR}.*.json")}


def read_schema(path: Path) -> Schema:
    """A file's schema."""
    schema: Schema = orjson.loads(path.read_bytes())
    return schema


def file_of(path: Path, schema: Schema) -> bytes:
    """What the file at this path says of the schema."""
    return orjson.dumps({"$schema": DIALECT, "$id": path.name} | schema, option=orjson.OPT_INDENT_2) + b"\n"


def write_schemas(folder: Path, schemas: Mapping[str, Schema]) -> Iterator[Path]:
    """Write what is new or said in other words; the files that were written."""
    folder.mkdir(exist_ok=True)
    for name, schema in schemas.items():
        path = _place(folder, name, schema)
        content = file_of(path, schema)
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
            yield path


def _place(folder: Path, name: str, schema: Schema) -> Path:
    known = revisions(folder, name)
    if known and _meaning(read_schema(known[-1])) == _meaning(schema):
        return known[-1]
    number = _number(known[-1]) + 1 if known else 0
    return folder / f"{name}.v{MAJOR}.{number}.json"


def _number(path: Path) -> int:
    return int(path.name.split(".")[-2])


def _meaning(part: Any, *, names: bool = False) -> Any:
    """A schema without texts for people; `names`: its keys are names of members, like texts or not."""
    if isinstance(part, list):
        return [_meaning(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    return {
        key: _meaning(inner, names=key in {"properties", "$defs"})
        for key, inner in part.items()
        if names or (key not in _TEXTS and key not in {"$schema", "$id"})
    }
