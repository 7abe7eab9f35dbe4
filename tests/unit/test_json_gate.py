"""The JSON gate: what passes is plain I-JSON; everything hostile is refused, and quickly."""

from __future__ import annotations

import json
import tracemalloc
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ApiError, InvalidJson, InvalidRequest
from service.http.json_gate import MAX_DEPTH, canonical, parse_object

strings = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
scalars = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | strings
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(strings, values, max_size=5)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def nested(levels: int) -> bytes:
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@given(objects, st.booleans())
def test_what_passes_is_what_any_json_parser_reads(members: dict[str, Any], ascii_only: bool) -> None:
    body = json.dumps(members, ensure_ascii=ascii_only).encode()
    if depth(members) > MAX_DEPTH:
        with pytest.raises(InvalidJson):
            parse_object(body)
    else:
        assert parse_object(body) == members


@given(st.binary(max_size=40) | st.text('{}[]":,\\u0def1eE.-+ ntrlsa', max_size=40).map(str.encode))
def test_arbitrary_bytes_are_read_as_json_reads_them_or_refused_in_a_documented_way(body: bytes) -> None:
    refused: ApiError | None = None
    try:
        members = parse_object(body)
    except ApiError as error:
        refused = error
    if refused is None:
        assert members == json.loads(body)
    else:
        assert refused.status == 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b"{'a':1}", "not valid JSON"),
        (b'{"a":1}x', "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b'{"a":"\x01"}', "not valid JSON"),
        (b'{"a":1,"b":2,"a":3}', '"a" twice'),
        (b'{"m":{"a":1,"\\u0061":2}}', '"a" twice'),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "Infinity"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "digits"),
        (b'{"a":-1' + b"0" * 18 + b"}", "digits"),
        (b"9" * 5000, "digits"),
        (b'{"a":"\\u0000"}', "U+0000"),
        (b'{"\\u0000":1}', "U+0000"),
        (b'{"m":{"k":["\\u0000"]}}', "U+0000"),
        (b'{"a":"\x00"}', "not valid JSON"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\\udc00\\ud800"}', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b'{"a":"\xed\xa0\x80"}', "UTF-8"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":"\xc0\xaf"}', "UTF-8"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        ('{"a":1}'.encode("utf-16"), "UTF-8"),
        ('{"a":1}'.encode("utf-16-le"), "not valid JSON"),
        ('{"a":1}'.encode("utf-32-be"), "not valid JSON"),
        (nested(MAX_DEPTH + 1), "nested"),
    ],
)
def test_what_is_not_i_json_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidJson) as refused:
        parse_object(body)
    assert reason in refused.value.message


@pytest.mark.parametrize(
    ("body", "member", "message"),
    [
        (b'{"a":1e999}', "a", "a is a number that is too large; send a smaller one, or a string"),
        (
            b'{"m":{"k":[0,' + b"9" * 19 + b"]}}",
            "m.k.1",
            "m.k.1 is a number of more than 18 digits; send fewer, or a string",
        ),
        (b"9" * 19, None, "The body is a number of more than 18 digits; send fewer, or a string"),
        (b'{"a":{"b":NaN}}', "a.b", "a.b is NaN, which is no number in JSON"),
        (b'{"a":1,"a":2}', None, 'The body has the name "a" twice; send it once'),
        (b'{"m":{"a":1e999,"a":2}}', "m", 'm has the name "a" twice; send it once'),
        (b'{"m":[{"a":1,"a":2}]}', "m.0", 'm.0 has the name "a" twice; send it once'),
        (b'{"m":"\\u0000"}', "m", "m has the character U+0000"),
        (
            nested(MAX_DEPTH + 1),
            "a.0.0.0.0.0.0.0",
            "The body is nested too deeply at a.0.0.0.0.0.0.0; 8 levels are allowed",
        ),
        (b'{"a":1e999,"b":', None, "The body is not valid JSON: Expecting value (line 1, column 16)"),
        (b'{"a":1e999,"b":' + b"[" * 100_000, None, "The body is nested too deeply; 8 levels are allowed"),
    ],
)
def test_a_refusal_names_the_member_and_what_would_be_right(
    body: bytes, member: str | None, message: str
) -> None:
    with pytest.raises(InvalidJson) as refused:
        parse_object(body)
    assert (refused.value.param, refused.value.message) == (member, message)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[]", "an array"),
        (b"null", "null"),
        (b'"x"', "a string"),
        (b"1", "a number"),
        (b"true", "a boolean"),
    ],
)
def test_only_an_object_may_stand_at_the_top(body: bytes, kind: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_object(body)
    assert refused.value.message == f"The body must be a JSON object, it is {kind}"


def test_the_deepest_nesting_allowed_passes() -> None:
    assert depth(parse_object(nested(MAX_DEPTH))) == MAX_DEPTH


def test_brackets_and_escapes_inside_strings_are_only_text() -> None:
    members = {"a": "{[" * 100, "b": "\\u0000", "c": "😀"}
    assert parse_object(json.dumps(members).encode()) == members


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_100_000_deep_is_refused_in_bounded_memory(opening: bytes) -> None:
    body = b'{"a":' + opening * 100_000
    tracemalloc.start()
    try:
        with pytest.raises(InvalidJson, match="nested"):
            parse_object(body)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body) + 1_000_000
    finally:
        tracemalloc.stop()


@given(objects)
def test_canonical_json_ignores_the_order_of_names(members: dict[str, Any]) -> None:
    assert canonical(members) == canonical(dict(reversed(members.items())))


def test_canonical_json_is_compact_and_sorted_at_every_level() -> None:
    assert canonical({"b": 1, "a": {"d": "é", "c": None}}) == '{"a":{"c":null,"d":"é"},"b":1}'.encode()


def test_a_place_is_spelled_out_only_for_a_refusal() -> None:
    name = b"n" * 1_000_000
    began = process_time()
    with pytest.raises(InvalidJson, match="values"):
        parse_object(b'{"' + name + b'":[' + b"0," * 500_000 + b'"\\u0041"]}')
    assert parse_object(b'{"' + name + b'":[' + b"0," * 10_000 + b'"\\u0041"]}')
    assert process_time() - began < 5  # a copy of the name for each value took half a minute


@pytest.mark.parametrize("value", [b"[]", b"0", b'""'])
def test_a_body_has_a_bounded_number_of_values(value: bytes) -> None:
    assert parse_object(b'{"a":[' + b",".join([value] * 19_999) + b"]}")
    for body in (
        b'{"a":[' + b",".join([value] * 20_000) + b"]}",
        b"{" + b",".join(b'"%d":%b' % (number, value) for number in range(20_001)) + b"}",
    ):
        with pytest.raises(InvalidJson, match="The body has more than 20000 values"):
            parse_object(body)
