"""The Idempotency-Key header and the fingerprint of a request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.master_keys import MasterKeys
from service.errors import InvalidRequest
from service.idempotency import Digests, key_text

printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)
FIRST, SECOND = MasterKeys.generate_text(1), MasterKeys.generate_text(2)
DIGESTS = Digests(MasterKeys.from_text(FIRST))
BODY = {"email": "a@example.com", "name": "A"}


def digest(method: str = "POST", path: str = "/v1/customers", query: Any = (), body: Any = BODY) -> bytes:
    return DIGESTS.of_request(method, path, query, body)


def test_digests_stay_the_same_when_a_newer_master_key_is_in_use() -> None:
    rotated = Digests(MasterKeys.from_text(FIRST + SECOND))
    assert rotated.of_key("k-1") == DIGESTS.of_key("k-1")
    assert rotated.of_request("POST", "/", [], BODY) == DIGESTS.of_request("POST", "/", [], BODY)


def test_who_does_not_have_the_master_key_cannot_try_guesses_on_digests() -> None:
    guessed = Digests(MasterKeys.from_text(SECOND))
    assert guessed.of_key("k-1") != DIGESTS.of_key("k-1")
    assert guessed.of_request("POST", "/", [], BODY) != DIGESTS.of_request("POST", "/", [], BODY)


@given(printable)
def test_a_quoted_key_equals_the_same_key_without_quotes(key: str) -> None:
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert key_text(quoted) == key
    if not key.startswith('"') and key == key.strip():
        assert key_text(key) == key


@pytest.mark.parametrize("header", ["", "  ", '""', "é", "a\tb", "a\x00", "a\x7f", '"é"', "\ud800"])
def test_a_key_is_printable_ascii_and_not_empty(header: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        key_text(header)
    assert refused.value.param == "Idempotency-Key"


@pytest.mark.parametrize("header", ['"', '"k', '"a"b"', '"k";v=1', '"k" "l"', '"a\\b"'])
def test_a_key_that_begins_with_a_quote_must_be_a_quoted_string(header: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a quoted string"):
        key_text(header)


def test_a_key_has_at_most_255_characters_without_its_quotes() -> None:
    assert key_text("k" * 255) == key_text('"' + "k" * 255 + '"') == "k" * 255
    for header in ("k" * 256, '"' + "k" * 256 + '"', "k" * 100_000):
        with pytest.raises(InvalidRequest, match="1 to 255 printable ASCII"):
            key_text(header)


def test_the_fingerprint_ignores_the_order_of_members_and_parameters() -> None:
    assert digest(body=dict(reversed(BODY.items()))) == digest()
    assert digest(query=[("a", "1"), ("b", "2")]) == digest(query=[("b", "2"), ("a", "1")])


@pytest.mark.parametrize(
    "other",
    [
        {"method": "PATCH"},
        {"path": "/v1/customers/batch"},
        {"query": [("onDuplicate", "return")]},
        {"body": BODY | {"name": "B"}},
        {"body": BODY | {"phone": None}},
        {"body": {}},
        {"body": None},
    ],
)
def test_the_fingerprint_tells_requests_apart(other: dict[str, Any]) -> None:
    assert digest(**other) != digest()


def test_the_parts_of_a_fingerprint_cannot_run_into_each_other() -> None:
    assert digest(method="A", path="BC") != digest(method="AB", path="C")
    assert digest(query=[("a", "b"), ("c", "d")]) != digest(query=[("a", "bcd")])
