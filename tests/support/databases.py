"""Databases for tests: a template that is migrated once, and clones of it that take milliseconds.

In: a running server. Out: the URLs of a fresh database, for the administrator and for the application's role.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from service.embedded.postgres import EmbeddedPostgres
from service.schema import migrate

APPLICATION_ROLE = "customers_app"
TEMPLATE = "template_customers"


@dataclass(frozen=True)
class TestDatabase:
    """One database's URLs."""

    __test__ = False  # pytest takes classes of this name for tests

    name: str
    url: str
    admin_url: str


async def run_sql(url: str, *statements: str) -> None:
    """Run statements outside any transaction, on a connection of their own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def make_template(server: EmbeddedPostgres) -> None:
    """Migrate a database once; the application's role may log in afterwards."""
    await run_sql(server.url(), f"CREATE DATABASE {TEMPLATE}")
    await migrate(server.url(TEMPLATE))
    await run_sql(server.url(), f"ALTER ROLE {APPLICATION_ROLE} LOGIN")


@asynccontextmanager
async def fresh_database(server: EmbeddedPostgres, template: str = TEMPLATE) -> AsyncIterator[TestDatabase]:
    """A clone of the template, dropped afterwards whoever is still connected."""
    name = f"test_{uuid.uuid4().hex}"
    await run_sql(server.url(), f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log")
    try:
        yield TestDatabase(name, server.url(name, APPLICATION_ROLE), server.url(name))
    finally:
        await run_sql(server.url(), f"DROP DATABASE {name} WITH (FORCE)")
