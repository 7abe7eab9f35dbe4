"""Following a ledger: any byte that is flipped, anywhere, is found where it was flipped."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.ledger import leaf_hash, next_hash
from events.proof.merkle import Tree
from events.proof.verification import Break, Finding, Place, beginning, follow

MERCHANT = "mer_01jd4q8w9zexampxexampxe001"
POSITION, TIME, CUSTOMER, VERSION, TOPIC, METADATA, STATE, HASH = range(8)
INTEGERS, TEXTS, BYTES = (POSITION, TIME, VERSION), (CUSTOMER, TOPIC), (METADATA, STATE, HASH)


def ledger(count: int) -> list[list[Any]]:
    rows, digest = [], beginning(MERCHANT).hash
    for position in range(1, count + 1):
        content = sha256(position.to_bytes(8, "big")).digest()
        content_of = (f"cus_{position % 3}", position, "CustomerUpdated", content[:9], content)
        digest = next_hash(digest, leaf_hash(position, 1_700_000_000_000_000 + position, *content_of))
        rows.append([position, 1_700_000_000_000_000 + position, *content_of, digest])
    return rows


def flipped(value: Any, bit: int) -> Any:
    """The value with one bit of it changed."""
    if isinstance(value, int):
        return value ^ 1 << bit % 62
    if isinstance(value, str):
        return flipped(value.encode(), bit).decode("latin-1")
    changed = bytearray(value)
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    return bytes(changed)


def broken_at(rows: list[list[Any]]) -> int:
    """The position at which following breaks."""
    with pytest.raises(Break) as caught:
        follow(beginning(MERCHANT), rows)
    return caught.value.place.position + 1


def test_a_ledger_that_is_whole_is_followed_to_its_end_and_gives_its_tree() -> None:
    rows, tree = ledger(20), Tree()
    place = follow(beginning(MERCHANT), rows[:7], tree)
    assert follow(place, rows[7:], tree) == Place(20, rows[-1][TIME], rows[-1][HASH])
    assert tree.size == 20


@given(st.integers(1, 12), st.integers(0, 7), st.integers(0, 10_000))
def test_any_bit_of_any_event_that_is_flipped_is_found_there(position: int, column: int, bit: int) -> None:
    rows = ledger(12)
    rows[position - 1][column] = flipped(rows[position - 1][column], bit)
    assert broken_at(rows) == position


@given(st.permutations(range(12)), st.booleans())
def test_any_other_order_is_found_at_the_first_that_is_out_of_place(
    order: list[int], renumbered: bool
) -> None:
    rows = [ledger(12)[number] for number in order]
    if renumbered:
        rows = [[position, *row[1:]] for position, row in enumerate(rows, 1)]
    if order == sorted(order):
        assert follow(beginning(MERCHANT), rows).position == 12
    else:
        first = next(number for number, other in enumerate(order) if number != other)
        assert broken_at(rows) == first + 1


@given(st.integers(1, 11))
def test_a_hole_is_found_where_it_is(position: int) -> None:
    rows = ledger(12)
    del rows[position - 1]
    assert broken_at(rows) == position


def test_a_ledger_of_another_merchant_does_not_fit() -> None:
    with pytest.raises(Break):
        follow(beginning("mer_another"), ledger(12))


def test_an_event_that_is_not_later_than_the_one_before_does_not_fit_though_its_hash_does() -> None:
    first = ledger(1)[0]
    second: list[Any] = [2, first[TIME], "cus_1", 2, "CustomerUpdated", b"{}", b"{}"]
    second.append(next_hash(first[HASH], leaf_hash(*second)))
    assert broken_at([first, second]) == 2


def test_a_finding_reads_as_a_line() -> None:
    finding = Finding(MERCHANT, 4, "cus_1", "edited", "its content does not give the hash that is stored")
    assert str(finding) == (
        f"{MERCHANT} position 4 (customer cus_1): edited: its content does not give the hash that is stored"
    )
    assert str(Finding(MERCHANT, 0, None, "missing", "gone")) == f"{MERCHANT}: missing: gone"
