"""The rules by which a schema may take an earlier one's place: each break is found, each addition passes."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.support.schema_compatibility import breaks_readers, breaks_senders

Schema = dict[str, Any]

TEXT = {"type": "string", "minLength": 1, "maxLength": 10, "pattern": "^[a-z]+$"}
SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "const": "x.y"},
        "status": {"type": "string", "enum": ["a", "b"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "ratio": {"type": "number"},
        "text": TEXT,
        "phone": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "inner": {"$ref": "#/$defs/Inner"},
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "minProperties": 1,
            "maxProperties": 5,
        },
        "moment": {"type": "string", "format": "date-time"},
        "nick": TEXT,
    },
    "required": ["event", "status", "count", "ratio", "text", "phone", "inner", "labels", "moment"],
    "not": {"required": ["never"]},
    "$defs": {"Inner": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}},
}
"""All that our schemas are made of; `nick` is optional."""

Change = Callable[[Schema], Any]


def member(name: str, **rules: Any) -> Change:
    """A member's schema with other rules; None takes one away."""

    def change(schema: Schema) -> None:
        of = schema["properties"][name]
        of.update(rules)
        for rule in [rule for rule, value in rules.items() if value is None]:
            del of[rule]

    return change


def removed(name: str) -> Change:
    def change(schema: Schema) -> None:
        del schema["properties"][name]
        schema["required"] = [one for one in schema["required"] if one != name]

    return change


def becoming(name: str, of: Any) -> Change:
    return lambda schema: schema["properties"].update({name: of})


def optional(name: str) -> Change:
    return lambda schema: schema["required"].remove(name)


def required(name: str) -> Change:
    return lambda schema: schema["required"].append(name)


def added(name: str, *, at_once: bool) -> Change:
    def change(schema: Schema) -> None:
        schema["properties"][name] = {"type": "string"}
        if at_once:
            schema["required"].append(name)

    return change


def inner(change: Change) -> Change:
    return lambda schema: change(schema["$defs"]["Inner"])


NO, YES = False, True
CHANGES: dict[str, tuple[Change, bool, bool]] = {
    # what changes: whether it breaks readers of what leaves, and senders of what comes in
    "nothing": (lambda _: None, NO, NO),
    "texts": (lambda schema: schema.update(description="in other words", title="T"), NO, NO),
    "a new member": (added("new", at_once=False), NO, YES),
    "a new member, always there": (added("new", at_once=True), NO, YES),
    "a new member that may be anything": (becoming("new", {}), NO, NO),
    "a member removed": (removed("text"), YES, NO),
    "an optional member removed": (removed("nick"), YES, NO),
    "a member made optional": (optional("count"), YES, NO),
    "an optional member made required": (required("nick"), NO, YES),
    "another type": (member("count", type="string", minimum=None, maximum=None), YES, YES),
    "an integer that may be any number": (member("count", type="number"), YES, NO),
    "a number that is an integer": (member("ratio", type="integer"), NO, YES),
    "a type that may be anything": (becoming("ratio", {}), YES, NO),
    "null allowed": (becoming("text", {"anyOf": [TEXT, {"type": "null"}]}), YES, NO),
    "null not allowed any more": (becoming("phone", {"type": "string"}), NO, YES),
    "a constant that is another": (member("event", const="x.z"), YES, YES),
    "a constant that may be any text": (member("event", const=None), YES, NO),
    "a new value of an enumeration": (member("status", enum=["a", "b", "c"]), YES, NO),
    "a value of an enumeration less": (member("status", enum=["a"]), NO, YES),
    "an enumeration that is a constant": (member("status", enum=None, const="a"), NO, YES),
    "an enumeration that is open": (member("status", enum=None), YES, NO),
    "a lower minimum": (member("count", minimum=0), YES, NO),
    "no minimum": (member("count", minimum=None), YES, NO),
    "a higher minimum": (member("count", minimum=2), NO, YES),
    "a higher maximum": (member("count", maximum=10), YES, NO),
    "no maximum": (member("count", maximum=None), YES, NO),
    "a lower maximum": (member("count", maximum=8), NO, YES),
    "empty text": (member("text", minLength=0), YES, NO),
    "no minimum of length": (member("text", minLength=None), YES, NO),
    "longer text": (member("text", maxLength=11), YES, NO),
    "shorter text": (member("text", maxLength=9), NO, YES),
    "another pattern": (member("text", pattern="^[a-y]+$"), YES, YES),
    "no pattern": (member("text", pattern=None), YES, NO),
    "a first pattern": (
        becoming("moment", {"type": "string", "format": "date-time", "pattern": "Z$"}),
        NO,
        YES,
    ),
    "no format": (member("moment", format=None), YES, NO),
    "a member of a member removed": (inner(lambda of: of["properties"].clear()), YES, NO),
    "a member of a member made optional": (inner(lambda of: of["required"].clear()), YES, NO),
    "a new member of a member": (inner(lambda of: of["properties"].update(new={"type": "string"})), NO, YES),
    "labels of another type": (member("labels", additionalProperties={"type": "integer"}), YES, YES),
    "labels that may be null": (
        member("labels", additionalProperties={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        YES,
        NO,
    ),
    "labels of any type": (member("labels", additionalProperties=True), YES, NO),
    "a label by name": (member("labels", properties={"a": {"type": "string"}}), NO, NO),
    "a label by name, of another type": (member("labels", properties={"a": {"type": "integer"}}), YES, YES),
    "no labels": (member("labels", minProperties=0), YES, NO),
    "more labels": (member("labels", maxProperties=6), YES, NO),
    "fewer labels": (member("labels", maxProperties=4), NO, YES),
    "what must not be, may be": (lambda schema: schema.pop("not"), YES, NO),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_breaks_readers_and_senders_is_found_and_nothing_else(name: str) -> None:
    change, readers, senders = CHANGES[name]
    changed = deepcopy(SCHEMA)
    change(changed)
    assert bool(breaks_readers(SCHEMA, changed)) is readers, breaks_readers(SCHEMA, changed)
    assert bool(breaks_senders(SCHEMA, changed)) is senders, breaks_senders(SCHEMA, changed)


def test_a_break_says_where() -> None:
    changed = deepcopy(SCHEMA)
    inner(lambda of: of["required"].clear())(changed)
    assert breaks_readers(SCHEMA, changed) == ["/inner/id may be absent"]


def test_what_the_rules_do_not_know_is_no_silent_yes() -> None:
    with pytest.raises(AssertionError, match="oneOf"):
        breaks_readers(SCHEMA, {"oneOf": []})
