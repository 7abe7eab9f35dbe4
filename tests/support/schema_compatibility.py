"""Whether a schema may take an earlier one's place: what of the one does the other not allow?

In: two JSON schemas, of the kind that our models give. Out: reasons, each with its place; none means that
every document of the one fits the other. It may see a break where there is none (two patterns that
differ), never none where there is one; a keyword that it does not know is an error. Objects are open: what
is not described may be there and be anything.

What leaves: readers of the earlier schema must be able to read what the later one describes. What comes in:
what the earlier one allowed must still be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

TEXTS = {"title", "description", "examples", "$schema", "$id", "$defs"}
AT_LEAST = {"minLength": 0, "minimum": None, "minProperties": 0}
AT_MOST = {"maxLength": None, "maximum": None, "maxProperties": None}
EQUAL = {"pattern", "format", "not"}
KNOWN = {*TEXTS, *AT_LEAST, *AT_MOST, *EQUAL} | {
    *("type", "const", "enum", "anyOf", "properties", "required", "additionalProperties", "$ref")
}
ANYTHING: Schema = {}


def breaks_readers(earlier: Schema, later: Schema) -> list[str]:
    """Why who reads messages by the earlier schema may fail at those of the later one."""
    return [*_not_allowed(_plain(later, later), _plain(earlier, earlier), "")]


def breaks_senders(earlier: Schema, later: Schema) -> list[str]:
    """Why a message that the earlier schema allowed may be refused by the later one."""
    return [*_not_allowed(_plain(earlier, earlier), _plain(later, later), "")]


def _plain(part: Any, whole: Schema) -> Any:
    """Without references and texts; lists of types and constants in one form. None of ours is recursive."""
    if "$ref" in part:
        return _plain(whole["$defs"][part["$ref"].removeprefix("#/$defs/")], whole)
    unknown = part.keys() - KNOWN
    assert not unknown, f"how do schemas with {unknown} compare? say it here"
    plain = {key: value for key, value in part.items() if key not in TEXTS}
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    if "properties" in plain:
        plain["properties"] = {name: _plain(inner, whole) for name, inner in plain["properties"].items()}
    if isinstance(plain.get("additionalProperties"), dict):
        plain["additionalProperties"] = _plain(plain["additionalProperties"], whole)
    if "anyOf" in plain:
        plain["anyOf"] = [_plain(inner, whole) for inner in plain["anyOf"]]
    return plain


def _not_allowed(narrow: Schema, wide: Schema, place: str) -> Iterator[str]:
    """What `narrow` describes and `wide` does not allow."""
    if "anyOf" in narrow:
        for branch in narrow["anyOf"]:
            yield from _not_allowed(branch, wide, place)
    elif "anyOf" in wide:
        reasons = [[*_not_allowed(narrow, branch, place)] for branch in wide["anyOf"]]
        if all(reasons):
            yield from min(reasons, key=len)
    else:
        yield from _values(narrow, wide, place)
        if wide.get("type") == "object":
            yield from _members(narrow, wide, place)


def _values(narrow: Schema, wide: Schema, place: str) -> Iterator[str]:
    if "type" in wide and narrow.get("type") not in _types_within(wide["type"]):
        yield f"{place or 'all'} may be {narrow.get('type', 'anything')}, not {wide['type']} alone"
    if "enum" in wide:
        more = [value for value in narrow.get("enum", ["anything"]) if value not in wide["enum"]]
        if more:
            yield f"{place or 'all'} may be {more}"
        return  # each of these values fits the rest of both
    for name in EQUAL & wide.keys():
        if "enum" not in narrow and narrow.get(name) != wide[name]:
            yield f"{place or 'all'} need not fit the {name} {wide[name]}"
    for name in AT_LEAST.keys() & wide.keys():
        if narrow.get(name, AT_LEAST[name]) is None or narrow.get(name, AT_LEAST[name]) < wide[name]:
            yield f"{place or 'all'} may be below the {name} {wide[name]}"
    for name in AT_MOST.keys() & wide.keys():
        if "enum" not in narrow and (narrow.get(name) is None or narrow[name] > wide[name]):
            yield f"{place or 'all'} may be above the {name} {wide[name]}"


def _types_within(type_: str) -> set[str]:
    return {"number", "integer"} if type_ == "number" else {type_}


def _members(narrow: Schema, wide: Schema, place: str) -> Iterator[str]:
    for name in set(wide.get("required", ())) - set(narrow.get("required", ())):
        yield f"{place}/{name} may be absent"
    described, expected = narrow.get("properties", {}), wide.get("properties", {})
    others, other_expected = (
        _schema(schema.get("additionalProperties", ANYTHING)) for schema in (narrow, wide)
    )
    for name, schema in expected.items():
        yield from _not_allowed(described.get(name, others), schema, f"{place}/{name}")
    for name in described.keys() - expected.keys():
        yield from _not_allowed(described[name], other_expected, f"{place}/{name}")
    yield from _not_allowed(others, other_expected, f"{place}/*")


def _schema(said: Any) -> Schema:
    """Of members that are not named: true is anything. False is not used, since objects are open."""
    assert said is not False
    return ANYTHING if said is True else said
