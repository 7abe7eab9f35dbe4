"""Identifiers: their order, their alphabet, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.ids import CUSTOMER_PREFIX, MERCHANT_PREFIX, is_id, make_id

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
GOOD = "cus_01jd4q8w9zexampxexampxe000"

milliseconds = st.integers(0, 2**48 - 1)
ten_bytes = st.binary(min_size=10, max_size=10)


def defined(number: int) -> str:
    """A number of 130 bits, five bits a character, the first character first."""
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(26)))


@given(milliseconds, ten_bytes)
def test_an_id_is_its_prefix_and_the_moment_and_the_random_bits(moment: int, random: bytes) -> None:
    made = make_id(CUSTOMER_PREFIX, moment, random)
    assert made == "cus_" + defined((moment << 80) + int.from_bytes(random, "big"))


@given(milliseconds, ten_bytes, st.sampled_from([CUSTOMER_PREFIX, MERCHANT_PREFIX]))
def test_whatever_is_made_is_an_id_with_its_own_prefix_only(moment: int, random: bytes, prefix: str) -> None:
    made = make_id(prefix, moment, random)
    other = {CUSTOMER_PREFIX: MERCHANT_PREFIX, MERCHANT_PREFIX: CUSTOMER_PREFIX}[prefix]
    assert is_id(prefix, made)
    assert not is_id(other, made)
    assert set(made.removeprefix(prefix)) <= set(ALPHABET)


@given(milliseconds, milliseconds, ten_bytes, ten_bytes)
def test_the_order_of_time_is_the_order_of_text(
    one: int, other: int, one_random: bytes, other_random: bytes
) -> None:
    made = (make_id("cus_", one, one_random), make_id("cus_", other, other_random))
    assert (made[0] < made[1]) == ((one, one_random) < (other, other_random))


def test_the_smallest_and_the_greatest() -> None:
    assert make_id("cus_", 0, bytes(10)) == "cus_" + "0" * 26
    assert make_id("cus_", 2**48 - 1, b"\xff" * 10) == "cus_7" + "z" * 25


def test_the_moment_is_in_the_first_ten_characters() -> None:
    assert make_id("cus_", 1_767_225_600_000, bytes(10)) == "cus_01kdvdna00" + "0" * 16


@pytest.mark.parametrize(
    "text",
    [
        GOOD.upper(),
        "cus_" + GOOD[4:].upper(),
        *(GOOD[:-1] + letter for letter in "ilouILOU-_ \0é٣"),
        "cus_8" + GOOD[5:],
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        "\n" + GOOD,
        " " + GOOD,
        GOOD[4:],
        "mer_" + GOOD[4:],
        "cus-" + GOOD[4:],
        "cus_",
        "",
    ],
)
def test_a_near_miss_is_no_id(text: str) -> None:
    assert is_id(CUSTOMER_PREFIX, GOOD)
    assert not is_id(CUSTOMER_PREFIX, text)


@given(st.text(max_size=40))
def test_any_other_text_is_no_id(text: str) -> None:
    assert not is_id(CUSTOMER_PREFIX, text)
