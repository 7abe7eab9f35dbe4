"""Fixtures of the faults: a merchant whose processes reach their database through a test's own proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from service.embedded.postgres import EmbeddedPostgres
from tests.support.database_proxy import DatabaseProxy, database_proxy
from tests.support.databases import TestDatabase
from tests.support.deployment import Deployment, deployed


@pytest_asyncio.fixture
async def proxy(migrated_postgres: EmbeddedPostgres, database: TestDatabase) -> AsyncIterator[DatabaseProxy]:
    """The way to the test's database, with gates in both directions."""
    async with database_proxy(migrated_postgres, database) as made:
        yield made


@pytest_asyncio.fixture
async def deployment(proxy: DatabaseProxy) -> AsyncIterator[Deployment]:
    """A merchant on the test's database; processes started of it go through the proxy."""
    async with deployed(proxy.database) as made:
        yield made
