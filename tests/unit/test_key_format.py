"""API keys as text: made, parsed, and refused whenever anything about them is off."""

from __future__ import annotations

import re
from base64 import b32encode
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.key_format import KeyText, make_key, new_key_id, parse_key_text

KEY_ID = new_key_id(bytes(range(10)))
SECRET = bytes(range(100, 132))
KEY = make_key(True, KEY_ID, SECRET)
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", DIGITS)


@given(st.booleans(), st.binary(min_size=10, max_size=10), st.binary(min_size=32, max_size=32))
def test_what_was_made_is_parsed_into_what_it_was_made_of(live: bool, id_bytes: bytes, secret: bytes) -> None:
    key_id = new_key_id(id_bytes)
    assert parse_key_text(make_key(live, key_id, secret)) == KeyText(live, key_id, secret)


def test_a_key_shows_what_it_is_for() -> None:
    assert re.fullmatch(rf"sk_live_[{DIGITS}]{{75}}", KEY)
    assert make_key(False, KEY_ID, SECRET).startswith("sk_test_" + KEY_ID.removeprefix("key_"))


def test_a_key_id_is_a_prefix_and_16_characters() -> None:
    assert re.fullmatch(rf"key_[{DIGITS}]{{16}}", KEY_ID)


@pytest.mark.parametrize("position", range(len(KEY)))
def test_one_character_mistyped_anywhere_is_noticed(position: int) -> None:
    for other in DIGITS:
        if other != KEY[position]:
            assert parse_key_text(KEY[:position] + other + KEY[position + 1 :]) is None


@pytest.mark.parametrize("length", range(len(KEY)))
def test_a_key_that_was_cut_is_refused(length: int) -> None:
    assert parse_key_text(KEY[:length]) is None


@given(st.text(max_size=90))
def test_any_other_text_is_refused_without_an_error(text: str) -> None:
    assert parse_key_text(text) is None


@pytest.mark.parametrize(
    "text",
    [
        KEY.upper(),
        KEY + "\n",
        " " + KEY,
        KEY + KEY,
        KEY.replace("live", "test"),
        "sk_live_" + "é" * 75,
        KEY * 10_000,
    ],
)
def test_a_key_is_taken_to_the_letter(text: str) -> None:
    assert parse_key_text(text) is None


def test_bits_that_carry_nothing_must_be_zero() -> None:
    last = DIGITS.index(KEY[-8])
    for spare in range(1, 16):
        text = KEY[:-8] + DIGITS[last + spare]
        checksum = b32encode(crc32(text.encode()).to_bytes(4, "big")).decode().rstrip("=")
        assert parse_key_text(text + checksum.translate(CROCKFORD)) is None


def test_the_secret_is_not_in_what_gets_logged() -> None:
    parsed = parse_key_text(KEY)
    assert parsed is not None
    assert "secret" not in repr(parsed)


@pytest.mark.parametrize("size", [0, 9, 11])
def test_a_key_id_takes_exactly_its_random_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        new_key_id(bytes(size))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_secret_takes_exactly_its_random_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        make_key(True, KEY_ID, bytes(size))
