"""Verification: a merchant's ledger, recomputed from its rows and followed from event to event. Pure.

In: rows in order of position, and the place that was reached before them. Out: the place after them, or
`Break`: the first row that does not continue the chain. Nothing the database says of a hash is
believed before it has been recomputed here from the event's own bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from events.ledger import first_hash, leaf_hash, next_hash
from events.proof.merkle import Tree

LedgerRow: TypeAlias = Any
"""A row: position, recorded_at (µs), customer id, version, topic, metadata, state, stored hash."""


class Place(NamedTuple):
    """How far a ledger was followed: its last event's position, time (µs) and hash."""

    position: int
    recorded_at: int
    hash: bytes


class Break(Exception):
    """The chain does not continue from `place`: with `row`, or for want of one (None)."""

    def __init__(self, place: Place, row: LedgerRow | None) -> None:
        super().__init__(f"the ledger breaks at position {place.position + 1}")
        self.place = place
        self.row = row


class Finding(NamedTuple):
    """What is wrong, and where first. `position` 0 is the ledger as a whole."""

    merchant_id: str
    position: int
    customer_id: str | None
    kind: str
    text: str

    def __str__(self) -> str:
        who = f" (customer {self.customer_id})" if self.customer_id else ""
        where = f" position {self.position}{who}" if self.position else ""
        return f"{self.merchant_id}{where}: {self.kind}: {self.text}"


def beginning(merchant_id: str) -> Place:
    """Before a merchant's first event."""
    return Place(0, 0, first_hash(merchant_id))


def leaf_of(row: LedgerRow) -> bytes:
    """The leaf of an event's row."""
    position, recorded_at, customer_id, version, topic, metadata, state, _ = row
    return leaf_hash(position, recorded_at, customer_id, version, topic, metadata, state)


def follow(place: Place, rows: Iterable[LedgerRow], tree: Tree | None = None) -> Place:
    """The place after these rows; a tree grows by their leaves. Raises Break at one that does not fit."""
    reached, moment, digest = place
    for row in rows:
        position, recorded_at, customer_id, version, topic, metadata, state, stored = row
        try:
            leaf = leaf_hash(position, recorded_at, customer_id, version, topic, metadata, state)
        except OverflowError:  # a number below zero: nothing that was ever hashed
            raise Break(Place(reached, moment, digest), row) from None
        hash_ = next_hash(digest, leaf)
        if hash_ != stored or position != reached + 1 or recorded_at <= moment:
            raise Break(Place(reached, moment, digest), row)
        reached, moment, digest = position, recorded_at, hash_
        if tree is not None:
            tree.append(leaf)
    return Place(reached, moment, digest)
