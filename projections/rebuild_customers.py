"""The customers read model made anew from the store, beside the live one and under traffic.

In: every customer's events. Out: a table that takes the live one's place, and progress as far as it has come.

The ledgers' heads are noted first. Then each customer is folded from all its events, however many more come
meanwhile; what lies beyond the heads is applied once more from there on, and passed over where a row has it.
At last nobody moves the live progress while the rest is applied and the tables change places. So nothing is
missed, lists never go back, and nobody who was erased comes back. A read by id folds what its row lacks,
whichever table it finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import structlog

from events.database import Database
from events.errors import StoreError
from events.key_checks import check_master_keys
from events.ledgers import each_ledger
from events.master_keys import MasterKeys
from events.replay import Replayed, Tell, replay
from projections.customers import NAME, Target, catch_up, catch_up_within, put_rows, row_of
from projections.parking import park_customer, reason_of
from projections.queries import (
    BEGIN_AT_HEADS,
    FORGET_PROGRESS,
    LOCK_ALL_PROGRESS,
    MERCHANTS_BEHIND,
    PUT_ROWS,
    ROWS_OF,
    TAKE_OVER_PROGRESS,
)
from projections.shadows import Shadows, shadowed, shadows_of
from projections.trying_again import PersistentReader, patiently, persistently

TABLES = ("customers",)
SHADOW = Target("customers (rebuilt)", shadowed(ROWS_OF, *TABLES), shadowed(PUT_ROWS, *TABLES))
CONNECTIONS = 4
NEAR = 500
"""Events behind that may be left to the last step, in which workers wait."""
ROUNDS = 20
"""After so many even that has to do: writers may be faster than we are."""
MERCHANTS = 100

log = structlog.get_logger(__name__)


async def rebuild_customers(url: str, master_keys: MasterKeys, tell: Tell) -> None:
    """Rebuild and swap, as the administrator. Raises RebuildRefused, MasterKeyMismatch, StoreError."""
    async with shadows_of(url, TABLES) as shadows, Database.connect(url, size=CONNECTIONS) as database:
        await check_master_keys(database, master_keys)
        try:
            await _begin(database)
            async for merchant_id in each_ledger(PersistentReader(database)):
                await _fill(database, merchant_id, master_keys, tell)
            await shadows.index()
            await _come_near(database, master_keys, tell)
            await patiently(lambda: _swap(database, shadows, master_keys))
        finally:
            with suppress(StoreError):  # the next rebuild forgets what we cannot
                await database.fetch(FORGET_PROGRESS, SHADOW.name)


async def _begin(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.fetch(FORGET_PROGRESS, SHADOW.name)
        await transaction.fetch(BEGIN_AT_HEADS, SHADOW.name)


async def _fill(database: Database, merchant_id: str, master_keys: MasterKeys, tell: Tell) -> None:
    """Write every customer of a merchant; one page is written while the next is folded."""
    writing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    writing.set_result(None)
    try:
        async for batch in replay(PersistentReader(database), merchant_id, master_keys):
            await writing
            writing = asyncio.create_task(_write(database, merchant_id, batch.customers))
            tell(batch.events)
        await writing
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def _write(database: Database, merchant_id: str, replayed: Sequence[Replayed]) -> None:
    rows = [row_of(one.customer) for one in replayed if one.customer is not None]
    unreadable = [(customer_id, error) for customer_id, _, error in replayed if error is not None]
    for customer_id, _ in unreadable:
        log.critical("customer_parked", merchant_id=merchant_id, customer_id=customer_id)

    async def attempt() -> None:
        async with database.transaction() as transaction:
            await put_rows(transaction, merchant_id, rows, SHADOW)
            for customer_id, error in unreadable:
                await park_customer(transaction, merchant_id, customer_id, reason_of(error))

    await persistently(attempt)


async def _come_near(database: Database, master_keys: MasterKeys, tell: Tell) -> None:
    """Apply what has come meanwhile, until little is left."""
    for _ in range(ROUNDS):
        left, last_id = 0, ""
        reader = PersistentReader(database)
        while behind := await reader.fetch(MERCHANTS_BEHIND, SHADOW.name, last_id, MERCHANTS):
            for merchant_id, head, position in behind:
                applied = await persistently(partial(catch_up, database, merchant_id, master_keys, SHADOW))
                tell(applied)
                left += head - position - applied
            last_id = behind[-1]["id"]
        if left <= NEAR:
            return


async def _swap(database: Database, shadows: Shadows, master_keys: MasterKeys) -> None:
    async with database.transaction() as transaction:
        await transaction.fetch(LOCK_ALL_PROGRESS, NAME)
        await _reach_heads(transaction, master_keys)
        await shadows.lock_live(transaction)
        # Whoever was erased a moment ago is in the live table as a tombstone, and must be so in the shadow.
        await _reach_heads(transaction, master_keys)
        await transaction.fetch(TAKE_OVER_PROGRESS, SHADOW.name, NAME)
        await shadows.swap(transaction)


async def _reach_heads(transaction: Database.Transaction, master_keys: MasterKeys) -> None:
    """Apply all that is there now, and what comes while a page is applied if it fits in."""
    last_id = ""
    while behind := await transaction.fetch(MERCHANTS_BEHIND, SHADOW.name, last_id, MERCHANTS):
        for merchant_id, head, position in behind:
            missing = head - position
            while missing > 0:
                missing -= await catch_up_within(transaction, merchant_id, master_keys, SHADOW) or missing
        last_id = behind[-1]["id"]
