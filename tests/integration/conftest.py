"""Fixtures of the store's tests: merchants M1, M2 and M3 with empty ledgers, and ways to write to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.databases import TestDatabase
from tests.support.store import M1, M2, M3, Appender, Store, connected, make_merchants, opened_store


@pytest_asyncio.fixture
async def ledgers(database: TestDatabase) -> TestDatabase:
    """A database with three merchants."""
    await make_merchants(database, M1, M2, M3)
    return database


@pytest_asyncio.fixture
async def appender(ledgers: TestDatabase) -> AsyncIterator[Appender]:
    """`events.append` as the application's role calls it."""
    async with connected(ledgers.url) as raw:
        yield Appender(raw)


@pytest_asyncio.fixture
async def store(ledgers: TestDatabase) -> AsyncIterator[Store]:
    """An event store as the application's role opens it."""
    async with opened_store(ledgers) as opened:
        yield opened
