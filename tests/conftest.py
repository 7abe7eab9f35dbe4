"""Fixtures for all tests: one PostgreSQL and one NATS a run, one fresh database a test.

`postgres` is the server; `database` (with `database_url` for the application's role, `admin_database_url` for
its superuser) is a clone of a database that was migrated once. `nats_server` is shared: tests that change
what others may see on it start one of their own (tests/support/nats_servers.py).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from service.embedded.nats import EmbeddedNats
from service.embedded.postgres import EmbeddedPostgres
from tests.support.databases import TestDatabase, fresh_database, make_template
from tests.support.directories import short_directory
from tests.support.nats_servers import fresh_nats

# Nothing here outlives the run, so nothing needs to reach the disk.
VOLATILE = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


def pytest_configure() -> None:
    """Have programs that tests start hear Ctrl-C, also where a shell ignores it for this run (`… &`)."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The run's server, not durable; it ends with the run, also on Ctrl-C."""
    with short_directory() as directory:
        server = EmbeddedPostgres(directory / "postgres", options=VOLATILE)
        try:
            server.start()
            yield server
        finally:
            server.stop("immediate")


@pytest.fixture(scope="session")
def migrated_postgres(postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """The run's server with the template database in it."""
    asyncio.run(make_template(postgres))
    return postgres


@pytest.fixture(scope="session")
def nats_server() -> Iterator[EmbeddedNats]:
    """The run's NATS with JetStream, not durable; it ends with the run, also on Ctrl-C."""
    with short_directory() as directory, fresh_nats(directory / "nats") as server:
        yield server


@pytest_asyncio.fixture
async def database(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[TestDatabase]:
    """A migrated, empty database of the test's own."""
    async with fresh_database(migrated_postgres) as made:
        yield made


@pytest.fixture
def database_url(database: TestDatabase) -> str:
    """The test's database as the application's role sees it."""
    return database.url


@pytest.fixture
def admin_database_url(database: TestDatabase) -> str:
    """The test's database as its superuser sees it."""
    return database.admin_url


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory for `customers up`, with a path short enough for sockets."""
    with short_directory() as directory:
        yield directory / "data"
