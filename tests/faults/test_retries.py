"""F29: the retry of a create whose connection died while it waited for the ledger: one customer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest_asyncio

from service.settings import Settings
from tests.support.api import Client, RunningApi, running_api, serving
from tests.support.databases import TestDatabase
from tests.support.serve import comes_about

KEY = {"Idempotency-Key": "order-17"}
BUSY = {409, 503}


@pytest_asyncio.fixture
async def api(database: TestDatabase) -> AsyncIterator[RunningApi]:
    """An API on a database of the test's own."""
    async with running_api(database) as running:
        yield running


@pytest_asyncio.fixture
async def clients(api: RunningApi, database: TestDatabase) -> AsyncIterator[list[Client]]:
    """The same key at two servers on one database, which share nothing else."""
    async with serving(Settings(), database.url, api.operator.master_keys) as url:
        yield [api.client, api.client.at(url)]


@asynccontextmanager
async def head_locked(api: RunningApi, database: TestDatabase) -> AsyncIterator[None]:
    """The merchant's ledger is locked by somebody else."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM events.merchants WHERE id = $1 FOR UPDATE", api.merchant_id)
            yield
    finally:
        await connection.close()


async def waiting_for_locks(api: RunningApi, count: int) -> bool:
    """Whether so many of our connections wait for a lock."""
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'customers_app' AND wait_event_type = 'Lock'
    """
    (row,) = await api.operator.select(query)
    return bool(row["count"] >= count)


async def test_a_create_whose_connection_died_on_the_head_lock_is_made_once(
    api: RunningApi, clients: list[Client], database: TestDatabase
) -> None:
    async with head_locked(api, database):
        first = asyncio.create_task(api.client.create(KEY))
        await comes_about(lambda: waiting_for_locks(api, 1), what="a create that waits")
        await api.operator.select("""
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = 'customers_app' AND wait_event_type = 'Lock'
        """)
        retry = asyncio.create_task(clients[1].create(KEY))
        await comes_about(lambda: waiting_for_locks(api, 1), what="a create that waits again")
    answers = [await first, await retry, await api.client.create(KEY)]
    assert answers[2].status == 201
    assert {answer.body for answer in answers if answer.status == 201} == {answers[2].body}
    assert {answer.status for answer in answers} <= {201} | BUSY
    assert (await api.stored())["customer_events"] == 1
