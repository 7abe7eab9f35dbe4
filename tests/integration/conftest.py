"""Fixtures of the store's tests: merchants M1, M2 and M3 with empty ledgers, and ways to write to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from events.master_keys import MasterKeys
from service.embedded.postgres import EmbeddedPostgres
from tests.support.databases import TestDatabase, fresh_database
from tests.support.store import M1, M2, M3, Appender, Store, connected, make_merchants, opened_store
from tests.support.terminal import CommandLine

COMMANDED_KEY = MasterKeys.generate_text()


@pytest_asyncio.fixture
async def ledgers(database: TestDatabase) -> TestDatabase:
    """A database with three merchants."""
    await make_merchants(database, M1, M2, M3)
    return database


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_ledgers(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[TestDatabase]:
    """One database with three merchants for all tests that commit nothing."""
    async with fresh_database(migrated_postgres) as made:
        await make_merchants(made, M1, M2, M3)
        yield made


@pytest_asyncio.fixture
async def appender(shared_ledgers: TestDatabase) -> AsyncIterator[Appender]:
    """`events.append` as the application's role calls it, in a transaction that is never committed."""
    async with connected(shared_ledgers.url) as raw:
        await raw.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        yield Appender(raw)


@pytest_asyncio.fixture
async def committing(ledgers: TestDatabase) -> AsyncIterator[Appender]:
    """`events.append` as the lanes call it: each call a transaction of its own."""
    async with connected(ledgers.url) as raw:
        yield Appender(raw)


@pytest.fixture
def command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ledgers: TestDatabase, data_dir: Path
) -> CommandLine:
    """Commands that find the ledgers and the key that `commanded_store` works with."""
    made = CommandLine(capsys, monkeypatch)
    made.works_on(ledgers, data_dir, COMMANDED_KEY)
    return made


@pytest_asyncio.fixture
async def commanded_store(ledgers: TestDatabase) -> AsyncIterator[Store]:
    """An event store that commands work on, too."""
    async with opened_store(ledgers, keys=MasterKeys.from_text(COMMANDED_KEY)) as opened:
        yield opened


@pytest_asyncio.fixture
async def store(ledgers: TestDatabase) -> AsyncIterator[Store]:
    """An event store as the application's role opens it."""
    async with opened_store(ledgers) as opened:
        yield opened
