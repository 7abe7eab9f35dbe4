"""Answers against the service's description of itself.

In: a request's method and path, and what came back. Out: nothing, or an AssertionError that says what is not
as it is described: the status, a header, or the body. Members that are not described fail, too. Requests that
the description does not know (other paths, other methods) are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from service.openapi.document import document
from service.openapi.headers import OF_ANSWERS
from service.routes import OPEN_ROUTES, OPERATIONS

DESCRIBED_HEADERS = frozenset(OF_ANSWERS)


@dataclass(frozen=True)
class Described:
    """What is said of an operation's answers with one status."""

    headers: frozenset[str]
    required: frozenset[str]
    media_types: frozenset[str]
    body: jsonschema_rs.Validator | None


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Fail unless this answer is as described."""
    answers = _answers("get" if method == "HEAD" else method.lower(), path.partition("?")[0])
    if answers is None:
        return
    asked = f"{method} {path} → {status}"
    described = answers.get(status)
    assert described is not None, f"{asked} is not described: {body!r}"
    missing = {name for name in described.required if name not in headers}
    assert not missing, f"{asked} lacks {missing}"
    unknown = {name for name in DESCRIBED_HEADERS - described.headers if name in headers}
    assert not unknown, f"{asked} has {unknown}, which are described for other answers only"
    if method == "HEAD":
        return
    assert bool(body) == bool(described.media_types), f"{asked}: {body!r}"
    media_type = headers.get("Content-Type", "").partition(";")[0]
    if described.media_types:
        assert media_type in described.media_types, asked
    if media_type == "application/json" and described.body is not None:
        errors = [
            f"{error.instance_path}: {error.message}"
            for error in described.body.iter_errors(orjson.loads(body))
        ]
        assert not errors, f"{asked}: {errors}"


def _answers(method: str, path: str) -> dict[int, Described] | None:
    paths = _operations()
    for template, pattern in _PATTERNS:
        if pattern.fullmatch(path):
            return paths[template].get(method)
    return None


@cache
def _document() -> dict[str, Any]:
    return document(OPERATIONS, OPEN_ROUTES)


@cache
def _operations() -> dict[str, dict[str, dict[int, Described]]]:
    """By path and method."""
    described = _document()
    components = described["components"]
    schemas = {"components": {"schemas": closed(components["schemas"])}}
    return {
        path: {
            method: {
                int(status): _described(answer, components["headers"], schemas)
                for status, answer in operation["responses"].items()
            }
            for method, operation in operations.items()
        }
        for path, operations in described["paths"].items()
    }


def _described(answer: dict[str, Any], headers: dict[str, Any], schemas: dict[str, Any]) -> Described:
    names = frozenset(answer["headers"])
    required = frozenset(name for name in names if headers[name].get("required"))
    if "content" not in answer:
        return Described(names, required, frozenset(), None)
    content = next(iter(answer["content"].values()))  # the first is that of the model
    validator = jsonschema_rs.validator_for(content["schema"] | schemas)
    return Described(names, required, frozenset(answer["content"]), validator)


def closed(part: Any) -> Any:
    """Schemas that allow only the members that they name, where clients have to expect more."""
    if isinstance(part, list):
        return [closed(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    made = {name: closed(inner) for name, inner in part.items()}
    if isinstance(part.get("properties"), dict) and part.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


# A path of its own goes before one with an id.
_PATTERNS = [
    (path, re.compile(re.escape(path).replace(r"\{id\}", "[^/]+")))
    for path in sorted(
        {row.path for row in OPERATIONS} | {row.path for row in OPEN_ROUTES}, key=lambda path: "{" in path
    )
]
