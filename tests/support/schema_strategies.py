"""Documents that a schema allows, and those with one fault that it forbids.

In: a model of a message. Out: a strategy of Hypothesis; and from a sound document all of
its neighbours that are wrong in one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta, timezone
from functools import cache
from typing import Any

import jsonschema_rs
from hypothesis import strategies as st

from events.wire.json_schemas import schema_of

Schema = dict[str, Any]

STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(STORABLE, max_size=5),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.text(STORABLE, max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
MOMENTS = st.builds(
    lambda moment, minutes, upper: (
        moment.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat()
        if upper
        else moment.isoformat().lower() + "z"
    ),
    st.datetimes(),
    st.integers(-23 * 60, 23 * 60),
    st.booleans(),
)


@cache
def documents(model: Any) -> st.SearchStrategy[Any]:
    """What the model's schema allows, with members that it does not name."""
    schema = schema_of(model)
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    return _values(schema, schema).filter(validator.is_valid)


def _values(part: Schema, whole: Schema) -> st.SearchStrategy[Any]:
    if "$ref" in part:
        return _values(_referred(part, whole), whole)
    if "anyOf" in part:
        return st.one_of([_values(branch, whole) for branch in part["anyOf"]])
    if "const" in part:
        return st.just(part["const"])
    if "enum" in part:
        return st.sampled_from(part["enum"])
    if part["type"] == "object":
        return _objects(part, whole)
    return st.none() if part["type"] == "null" else _texts(part)


def _referred(part: Schema, whole: Schema) -> Schema:
    found: Schema = whole["$defs"][part["$ref"].removeprefix("#/$defs/")]
    return found


def _texts(part: Schema) -> st.SearchStrategy[str]:
    if part.get("format") == "date-time":
        return MOMENTS.filter(re.compile(part["pattern"]).search)
    if "pattern" not in part:
        return st.text(STORABLE, max_size=20)
    one_of_many = re.fullmatch(r"\^(\[.*\])\+\$", part["pattern"])
    if one_of_many:
        return _runs(one_of_many[1], part["minLength"], part["maxLength"])
    return st.from_regex(part["pattern"].removesuffix("$") + r"\Z", alphabet=STORABLE)


def _runs(allowed: str, least: int, most: int) -> st.SearchStrategy[str]:
    """Characters of one class, often as many as there may be."""
    characters = [chr(code) for code in range(128) if re.fullmatch(allowed, chr(code))]
    longest = st.sampled_from(characters).map(lambda one: one * most)
    return st.text(st.sampled_from(characters), min_size=least, max_size=most) | longest


def _objects(part: Schema, whole: Schema) -> st.SearchStrategy[dict[str, Any]]:
    required = set(part.get("required", ()))
    members = {name: _values(of, whole) for name, of in part["properties"].items()}
    named = st.fixed_dictionaries(
        {name: of for name, of in members.items() if name in required},
        optional={name: of for name, of in members.items() if name not in required},
    )
    names = st.text(STORABLE, max_size=5).filter(lambda name: name not in members)
    return st.builds(lambda known, more: more | known, named, st.dictionaries(names, ANYTHING, max_size=2))


def faults(model: Any, document: Any) -> Iterator[tuple[str, str, Any]]:
    """Each place of a sound document, what is wrong with it there, and the document with that one fault."""
    validator = jsonschema_rs.validator_for(schema_of(model), validate_formats=True)
    for place in _places(document):
        for fault, value in _wrong_values(_at(document, place)):
            wrong = deepcopy(document)
            around = _at(wrong, place[:-1])
            if fault == "absent":
                del around[place[-1]]
            else:
                around[place[-1]] = value
            if not validator.is_valid(wrong):
                yield ".".join(place), fault, wrong


def _places(document: Any, around: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield (*around, name)
            yield from _places(value, (*around, name))


def _at(document: Any, place: tuple[str, ...]) -> Any:
    for name in place:
        document = document[name]
    return document


def _wrong_values(value: Any) -> Iterator[tuple[str, Any]]:
    yield "absent", None
    yield "null", None
    yield "a number", 7
    yield "a boolean", True
    yield "an array", [value]
    yield "an object", {"value": value}
    yield "text", "text"
    yield "empty", ""
    yield "long", "9" * 300
    if isinstance(value, str):
        yield "a line more", value + "\n"
        yield "a letter beyond ASCII", value + "é"
        yield "a character that cannot be printed", value + "\x85"
        yield "space before", f" {value}"
        yield "minus", f"-{value}"
        yield "lower case", value.lower()
        yield "an exponent", value + "e5"
        yield "a day that there is not", "2024-02-30T00:00:00Z"
