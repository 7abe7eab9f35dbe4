"""Diagnosis: what is wrong where a ledger breaks, in words.

In: the place of the break, and the row that did not fit. Out: a `Finding`. Looking for an event that stands
in a wrong place reads the rest of the ledger once; that is done only when something is wrong.
"""

from __future__ import annotations

import orjson

from events.database import Database
from events.ledger import leaf_hash, next_hash
from events.proof.ledger_reading import Ends, read_pages
from events.proof.verification import Break, Finding, LedgerRow, Place, leaf_of
from events.queries import LEDGER_RANGE


async def diagnose(database: Database, merchant_id: str, broken: Break, ends: Ends) -> Finding:
    """Name what is wrong at a break."""
    place, row = broken.place, broken.row
    expected = place.position + 1

    def found(customer_id: str | None, kind: str, text: str) -> Finding:
        return Finding(merchant_id, expected, customer_id, kind, text)

    if row is not None and row[0] <= place.position:
        return found(row[2], "reordered", f"a second event stands at position {row[0]}")
    elsewhere = await _find_elsewhere(database, merchant_id, place, row, ends.last_position)
    if elsewhere is not None:
        text = f"the event that belongs here stands at position {elsewhere[0]}"
        return found(elsewhere[2], "reordered", text)
    if row is None or row[0] > expected:
        if ends.last_position < expected and ends.head is not None:
            text = f"the head says {ends.head.position}, and no event is there from here on"
            return found(None, "cut", text)
        return found(None, "missing", "there is no event at this position")
    return found(row[2], *await _differs(database, merchant_id, place, row, ends))


async def _differs(
    database: Database, merchant_id: str, place: Place, row: LedgerRow, ends: Ends
) -> tuple[str, str]:
    """Kind and text for an event at its position that does not continue the chain."""
    owner = _owner(row[6])
    if owner not in (None, merchant_id):
        return "foreign", f"this event was recorded for merchant {owner}"
    try:
        computed = next_hash(place.hash, leaf_of(row))
    except OverflowError:
        return "edited", "it has a number below zero"
    if computed == row[7]:
        return "edited", "it is not later than the event before it"
    if await _continues(database, merchant_id, Place(row[0], row[1], computed), ends):
        return "edited", "its stored hash was changed; the next one follows from the true hash"
    return "edited", "its content does not give the hash that is stored"


async def _continues(database: Database, merchant_id: str, place: Place, ends: Ends) -> bool:
    """Whether what follows (the next event, or the head) agrees with this place."""
    if ends.head is not None and ends.head.position == place.position:
        return ends.head.hash == place.hash
    following = await database.fetch(LEDGER_RANGE, merchant_id, place.position, place.position + 1)
    try:
        return any(next_hash(place.hash, leaf_of(row)) == row[7] for row in following)
    except OverflowError:
        return False


async def _find_elsewhere(
    database: Database, merchant_id: str, place: Place, row: LedgerRow | None, last_position: int
) -> LedgerRow | None:
    """An event further on that would continue the chain here, under its own hash or the one stored here."""
    expected = place.position + 1
    stored_here = row[7] if row is not None and row[0] == expected else None
    pages = read_pages(database, merchant_id, expected, last_position)
    try:
        async for _, rows in pages:
            for other in rows:
                if _hash_at(other, expected, place.hash) in (other[7], stored_here):
                    return other
    finally:
        await pages.aclose()
    return None


def _hash_at(row: LedgerRow, position: int, previous: bytes) -> bytes:
    """The hash that an event would have at a position; empty for one that could have none."""
    _, recorded_at, customer_id, version, topic, metadata, state, _ = row
    try:
        leaf = leaf_hash(position, recorded_at, customer_id, version, topic, metadata, state)
        return next_hash(previous, leaf)
    except OverflowError:
        return b""


def _owner(state: bytes) -> str | None:
    """The merchant that an event's state names, None where it names none."""
    try:
        said = orjson.loads(state)
    except orjson.JSONDecodeError:
        return None
    owner = said.get("merchant_id") if isinstance(said, dict) else None
    return owner if isinstance(owner, str) else None
