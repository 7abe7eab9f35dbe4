"""A merchant's customers made from their events once more: to be written out, or held against the read model.

In: whose, which, as of when. Out: lines of JSON, each a customer as GET shows it, in the order of ids; or
what is wrong. It is read from the store, and so complete up to the last answered change, whatever became of
read models.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import BinaryIO, NamedTuple

from events.database import Database
from events.loading import LATEST
from events.master_keys import MasterKeys
from events.replay import FIRST, LAST, Tell, replay
from projections.comparison import Difference, difference_of, differences_between
from projections.customers import CustomerRow, row_of

MOST_DIFFERENCES = 1000
"""Differences that are told; how many more there are is counted."""
FOLLOWS_SECONDS = 5.0
"""How long a read model may take to follow before it is said to differ."""
LOOK_SECONDS = 0.1


class Selection(NamedTuple):
    """Which customers; `until` in µs."""

    merchant_id: str
    customer_id: str | None = None
    until: int = LATEST


class Stretch(NamedTuple):
    """All customers above one id and up to another, as far as they can be read; and why some cannot."""

    rows: list[CustomerRow]
    unreadable: dict[str, str]
    above: str
    up_to: str


class Outcome(NamedTuple):
    """How many customers were looked at (and written, if that was asked), and what is wrong."""

    customers: int
    complaints: list[str]


async def write_customers(
    database: Database,
    master_keys: MasterKeys,
    chosen: Selection,
    output: BinaryIO,
    tell: Tell,
    *,
    with_tombstones: bool,
) -> Outcome:
    """Write a line a customer; which ones could not be read. Raises StoreError."""
    written = 0
    unreadable: list[str] = []
    async for stretch in _stretches(database, master_keys, chosen, tell):
        whole = [row for row in stretch.rows if row.customer_id not in stretch.unreadable]
        lines = [row.body + b"\n" for row in whole if with_tombstones or not row.deleted]
        output.writelines(lines)
        written += len(lines)
        unreadable += _sentences(stretch)
    return Outcome(written, unreadable)


async def compare_customers(
    database: Database, master_keys: MasterKeys, chosen: Selection, tell: Tell
) -> Outcome:
    """How the read model differs from the events, a sentence a customer. Raises StoreError."""
    compared = 0
    complaints: list[str] = []
    found: list[Difference] = []
    more = 0
    async for stretch in _stretches(database, master_keys, chosen, tell):
        compared += len(stretch.rows)
        complaints += _sentences(stretch)
        async for one in _differences(database, chosen, stretch):
            if len(found) < MOST_DIFFERENCES:
                found.append(one)
            else:
                more += 1
    complaints += [
        f"{one.customer_id}: {one.what}" for one in await _again(database, master_keys, chosen, found)
    ]
    return Outcome(compared, complaints + ([f"and {more} more"] if more else []))


async def _differences(database: Database, chosen: Selection, stretch: Stretch) -> AsyncIterator[Difference]:
    if chosen.customer_id is None:
        async for one in differences_between(
            database, chosen.merchant_id, stretch.rows, stretch.above, stretch.up_to
        ):
            yield one
    elif what := await difference_of(
        database, chosen.merchant_id, chosen.customer_id, stretch.rows[0] if stretch.rows else None
    ):
        yield Difference(chosen.customer_id, what)


async def _again(
    database: Database, master_keys: MasterKeys, chosen: Selection, found: list[Difference]
) -> list[Difference]:
    """Those that still differ when the read model has had some seconds to follow."""
    deadline = monotonic() + FOLLOWS_SECONDS
    while found and monotonic() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
        one_by_one = [chosen._replace(customer_id=one.customer_id) for one in found]
        found = [
            difference
            for one in one_by_one
            async for stretch in _stretches(database, master_keys, one, _silently)
            async for difference in _differences(database, one, stretch)
        ]
    return found


def _sentences(stretch: Stretch) -> list[str]:
    return [f"{customer_id} cannot be read: {why}" for customer_id, why in stretch.unreadable.items()]


def _silently(_: int) -> None:
    """Tell nobody."""


async def _stretches(
    database: Database, master_keys: MasterKeys, chosen: Selection, tell: Tell
) -> AsyncIterator[Stretch]:
    """All of them, of one customer a single stretch."""
    merchant_id, customer_id, until = chosen
    above = FIRST
    async for batch in replay(database, merchant_id, master_keys, customer_id=customer_id, until=until):
        tell(batch.events)
        rows = [row_of(one.customer) for one in batch.customers if one.customer is not None]
        unreadable = {one.customer_id: str(one.error) for one in batch.customers if one.error is not None}
        if batch.is_last:
            yield Stretch(rows, unreadable, above, LAST)
        elif batch.customers and customer_id is None:
            up_to = batch.customers[-1].customer_id
            yield Stretch(rows, unreadable, above, up_to)
            above = up_to
