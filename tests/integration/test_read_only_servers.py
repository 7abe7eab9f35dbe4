"""A server that takes no writes any more, as a demoted primary: nobody stays with it (F11)."""

from __future__ import annotations

import pytest

from events.database import Connection, Database
from events.errors import StoreUnavailable
from events.statements import Statement
from tests.support.databases import TestDatabase, run_sql

READ = Statement("read", "SELECT 1 AS one")
WRITE = Statement(
    "write",
    "INSERT INTO projections.progress (projection, merchant_id, position, hash, epoch) "
    "VALUES ('x', 'm', 0, '', 1) ON CONFLICT DO NOTHING",
)


async def test_a_kept_connection_does_not_read_from_it(database: TestDatabase) -> None:
    connection = Connection(database.url, {"default_transaction_read_only": "on"})
    with pytest.raises(StoreUnavailable, match="read-only"):
        await connection.fetch(READ)
    await connection.close()


async def test_a_pool_lets_go_of_its_connections_after_a_refused_transaction(database: TestDatabase) -> None:
    read_only = f"ALTER DATABASE {database.name} SET default_transaction_read_only"
    await run_sql(database.admin_url, f"{read_only} = on")
    async with Database.connect(database.url, size=1) as pool:
        with pytest.raises(StoreUnavailable):
            async with pool.transaction() as transaction:
                await transaction.fetch(WRITE)
        # As after a failover: new connections find a server that takes writes.
        writable = f"ALTER DATABASE {database.name} RESET default_transaction_read_only"
        await run_sql(database.admin_url, "SET default_transaction_read_only = off", writable)
        async with pool.transaction() as transaction:
            await transaction.fetch(WRITE)
