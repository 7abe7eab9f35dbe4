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
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial

import structlog

from events.database import Database
from events.errors import StoreError
from events.key_checks import check_master_keys
from events.ledgers import count_events, each_ledger
from events.master_keys import MasterKeys
from events.replay import Tell
from projections.customers import NAME, catch_up, catch_up_within
from projections.queries import (
    BEGIN_AT_HEADS,
    FORGET_PROGRESS,
    LOCK_ALL_PROGRESS,
    MERCHANTS_BEHIND,
    TAKE_OVER_PROGRESS,
)
from projections.rebuild.filling import SHADOW, TABLES, Filled, Stretch, fill, stretches
from projections.rebuild.filling_process import FillingProcess
from projections.rebuild.shadows import Shadows, shadows_of
from projections.rebuild.trying_again import PersistentReader, patiently, persistently

CONNECTIONS = 4
FEW = 20_000
"""Events that are not worth the start of processes."""
PROCESSES = 2
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
            await _fill(database, url, master_keys, tell)
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


async def _fill(database: Database, url: str, master_keys: MasterKeys, tell: Tell) -> None:
    """Write every customer of every merchant: here, or, when there are many, in two processes."""
    todo = _all_stretches(database)
    if await count_events(PersistentReader(database), None) < FEW or (os.cpu_count() or 1) == 1:
        await _follow(partial(fill, database, master_keys), todo, asyncio.Lock(), tell)
        return
    async with AsyncExitStack() as stack:
        started = [FillingProcess.started(url, master_keys) for _ in range(PROCESSES)]
        processes = [await stack.enter_async_context(one) for one in started]
        taking = asyncio.Lock()
        working = [asyncio.create_task(_follow(one.fill, todo, taking, tell)) for one in processes]
        try:
            await asyncio.gather(*working)
        finally:
            for one in working:
                one.cancel()
            await asyncio.gather(*working, return_exceptions=True)


async def _all_stretches(database: Database) -> AsyncIterator[Stretch]:
    async for merchant_id in each_ledger(PersistentReader(database)):
        async for stretch in stretches(database, merchant_id):
            yield stretch


async def _follow(
    filling: Callable[[Stretch], AsyncIterator[Filled]],
    todo: AsyncIterator[Stretch],
    taking: asyncio.Lock,
    tell: Tell,
) -> None:
    """Fill one stretch after another until none is left; whoever else does so takes others."""
    while True:
        async with taking:
            stretch = await anext(todo, None)
        if stretch is None:
            return
        async for filled in filling(stretch):
            for customer_id in filled.parked:
                log.critical("customer_parked", merchant_id=stretch.merchant_id, customer_id=customer_id)
            tell(filled.events)


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
        await shadows.keep_vacuum_away(transaction)
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
