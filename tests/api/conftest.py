"""Fixtures of the API's tests: one API for all of them, and a merchant of each test's own.

Tests see nothing of each other, as merchants do not. They share one event loop with the API: a module that
uses these fixtures says `pytestmark = pytest.mark.asyncio(loop_scope="session")`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from service.embedded.postgres import EmbeddedPostgres
from tests.support.api import Client, RunningApi, running_api
from tests.support.databases import fresh_database


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_api(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[RunningApi]:
    """The API on a database of its own."""
    async with fresh_database(migrated_postgres) as database, running_api(database) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def api(shared_api: RunningApi) -> RunningApi:
    """The API as a merchant of the test's own sees it; read models are filled when the test says so."""
    return await shared_api.of_new_merchant()


@pytest_asyncio.fixture(loop_scope="session")
async def client(api: RunningApi) -> Client:
    """A client of the test's merchant that reads and writes."""
    return api.client
