"""A ledger that another session holds locked keeps no other merchant waiting (F15).

All merchants here share one lane, which is the worst that can happen to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from time import monotonic
from typing import TypeVar

import asyncpg
import pytest
import pytest_asyncio

from events.command import Outcome
from events.errors import StoreBusy
from events.statements import Statement
from tests.support.cases import JOHN
from tests.support.databases import TestDatabase
from tests.support.ledger import check_ledger
from tests.support.store import C1, Store, customer_id, make_merchants, merchant_id, opened_store

T = TypeVar("T")

REFUSED_WITHIN = 1.0
"""Seconds, by the fault matrix."""

LOCKED = [merchant_id(number) for number in range(1, 6)]
FREE = [merchant_id(number) for number in range(6, 11)]


@pytest_asyncio.fixture
async def store(database: TestDatabase) -> AsyncIterator[Store]:
    await make_merchants(database, *LOCKED, *FREE)
    async with opened_store(database, lanes=1) as made:
        yield made


@asynccontextmanager
async def locking(database: TestDatabase, *merchants: str) -> AsyncIterator[None]:
    """Another session holds the heads of these ledgers."""
    other = await asyncpg.connect(database.admin_url)
    try:
        async with other.transaction():
            await other.execute(
                "SELECT FROM events.merchants WHERE id = ANY ($1) FOR UPDATE", list(merchants)
            )
            yield
    finally:
        await other.close()


async def timed(work: Awaitable[T]) -> tuple[T | Exception, float]:
    """What came of it, and after how many seconds."""
    began = monotonic()
    result: T | Exception
    try:
        result = await work
    except StoreBusy as error:
        result = error
    return result, monotonic() - began


async def create(store: Store, merchant: str, number: int = 1) -> tuple[Outcome | Exception, float]:
    """A new customer of this merchant: its outcome, and after how many seconds."""
    values = JOHN | {"email": f"john{number}@example.com"}
    result, seconds = await timed(store.create(customer_id(number), values, merchant))
    return (result if isinstance(result, Exception) else result[1]), seconds


async def test_a_change_of_a_locked_ledger_is_refused_within_a_second(
    store: Store, database: TestDatabase
) -> None:
    async with locking(database, LOCKED[0]):
        for number in range(3):
            result, seconds = await create(store, LOCKED[0], number)
            assert isinstance(result, StoreBusy)
            assert seconds < REFUSED_WITHIN
    assert await check_ledger(database.admin_url) == {}


async def test_other_merchants_of_the_same_batch_are_written_within_a_second(
    store: Store, database: TestDatabase
) -> None:
    async with locking(database, LOCKED[0]):
        refused, *written = await asyncio.gather(*[create(store, m) for m in (LOCKED[0], *FREE)])
    assert isinstance(refused[0], StoreBusy)
    assert refused[1] < REFUSED_WITHIN
    for outcome, seconds in written:
        assert isinstance(outcome, Outcome)
        assert outcome.kind == "appended"
        assert seconds < REFUSED_WITHIN
    assert await check_ledger(database.admin_url) == dict.fromkeys(FREE, 1)


async def test_once_a_ledger_is_known_to_be_locked_the_others_do_not_notice(
    store: Store, database: TestDatabase
) -> None:
    async with locking(database, LOCKED[0]):
        await create(store, LOCKED[0])
        blocked = asyncio.gather(*[create(store, LOCKED[0], number) for number in range(20)])
        written = [(await create(store, merchant))[0] for merchant in FREE]
        assert not blocked.done()  # so none of them has waited for the lock
        refused = await blocked
    assert all(isinstance(outcome, Outcome) for outcome in written)
    assert all(isinstance(result, StoreBusy) and seconds < REFUSED_WITHIN for result, seconds in refused)


async def test_many_locked_ledgers_are_refused_within_a_second_too(
    store: Store, database: TestDatabase
) -> None:
    async with locking(database, *LOCKED):
        for number in range(2):
            results = await asyncio.gather(*[create(store, m, number) for m in (*LOCKED, FREE[number])])
            *refused, written = results
            assert isinstance(written[0], Outcome)
            assert [type(result) for result, _ in refused] == [StoreBusy] * len(LOCKED)
            assert max(seconds for _, seconds in results) < REFUSED_WITHIN


async def test_loads_are_not_kept_waiting(store: Store, database: TestDatabase) -> None:
    await store.create(C1, merchant=LOCKED[0])
    async with locking(database, LOCKED[0]):
        blocked = asyncio.gather(*[create(store, LOCKED[0], number) for number in range(5)])
        loaded = await store.load(C1, LOCKED[0])
        assert not blocked.done()
        await blocked
    assert loaded.customer is not None


async def test_once_the_lock_is_gone_the_merchant_writes_as_before(
    store: Store, database: TestDatabase
) -> None:
    async with locking(database, LOCKED[0]):
        refused, _ = await create(store, LOCKED[0])
    assert isinstance(refused, StoreBusy)
    outcomes = await asyncio.gather(*[create(store, LOCKED[0], number) for number in range(10)])
    assert [outcome.kind for outcome, _ in outcomes if isinstance(outcome, Outcome)] == ["appended"] * 10
    assert await check_ledger(database.admin_url, store.master_keys) == {LOCKED[0]: 10}


@pytest.mark.parametrize("writers", [1, 8])
async def test_a_lock_shorter_than_the_limit_is_waited_for(
    store: Store, database: TestDatabase, writers: int
) -> None:
    async with locking(database, LOCKED[0]):
        waiting = asyncio.gather(*[create(store, LOCKED[0], number) for number in range(writers)])
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()
    outcomes = await waiting
    assert [o.kind for o, _ in outcomes if isinstance(o, Outcome)] == ["appended"] * writers


async def test_who_stalls_within_a_transaction_cannot_keep_a_ledger_locked(store: Store) -> None:
    asked = Statement("limit", "SELECT current_setting('idle_in_transaction_session_timeout') AS seconds")
    async with store.database.transaction() as transaction:
        assert [row["seconds"] for row in await transaction.fetch(asked)] == ["5s"]
