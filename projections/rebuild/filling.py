"""Filling the shadow of the customers read model: stretches of customers, each from all its events.

In: a stretch. Out: rows in the shadow, customers that cannot be read parked, and what was done, page by page.
A page is read in one short transaction and written in another, while the next one is folded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from events.database import Database
from events.master_keys import MasterKeys
from events.replay import FIRST, LAST, Replayed, replay
from projections.customers import Target, put_rows, row_of
from projections.parking import park_customer, reason_of
from projections.queries import PUT_ROWS, ROWS_OF, STRETCH_END
from projections.rebuild.shadows import shadowed
from projections.rebuild.trying_again import PersistentReader, persistently
from projections.search_terms import NO_TERMS, terms_of

TABLES = ("customers",)
SHADOW = Target("customers (rebuilt)", shadowed(ROWS_OF, *TABLES), shadowed(PUT_ROWS, *TABLES))
STRETCH = 10_000
"""Customers."""


class Stretch(NamedTuple):
    """The customers of a merchant above one id and up to another."""

    merchant_id: str
    above: str
    up_to: str


class Filled(NamedTuple):
    """How many events a page had, and who of it was parked."""

    events: int
    parked: list[str]


async def stretches(database: Database, merchant_id: str) -> AsyncIterator[Stretch]:
    """All customers of a merchant; the last stretch has those, too, who come while it is filled."""
    reader, above = PersistentReader(database), FIRST
    while found := await reader.fetch(STRETCH_END, merchant_id, above, STRETCH - 1):
        up_to = found[0]["customer_id"]
        yield Stretch(merchant_id, above, up_to)
        above = up_to
    yield Stretch(merchant_id, above, LAST)


async def fill(database: Database, master_keys: MasterKeys, stretch: Stretch) -> AsyncIterator[Filled]:
    """Write every customer of the stretch. Raises StoreError."""
    merchant_id, above, up_to = stretch
    reader = PersistentReader(database)
    writing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    writing.set_result(None)
    try:
        async for batch in replay(reader, merchant_id, master_keys, above=above, up_to=up_to):
            await writing
            writing = asyncio.create_task(_write(database, merchant_id, batch.customers))
            parked = [one.customer_id for one in batch.customers if one.error is not None]
            yield Filled(batch.events, parked)
        await writing
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def _write(database: Database, merchant_id: str, replayed: Sequence[Replayed]) -> None:
    customers = [one.customer for one in replayed if one.customer is not None]
    rows = [row_of(customer) for customer in customers]
    terms = [NO_TERMS if one.deleted else terms_of(merchant_id, one.values) for one in customers]
    unreadable = [(customer_id, error) for customer_id, _, error in replayed if error is not None]

    async def attempt() -> None:
        async with database.transaction() as transaction:
            await put_rows(transaction, merchant_id, rows, SHADOW, terms)
            for customer_id, error in unreadable:
                await park_customer(transaction, merchant_id, customer_id, reason_of(error))

    await persistently(attempt)
