"""A merchant on a database, served by as many `customers serve` processes as a test starts.

In: a database, and another way to it where a proxy stands before it. Out: `Deployment`, with the environment
for processes, clients of them, and what the database holds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from events.master_keys import MasterKeys
from tests.support.api import Client, Operator, client_session, operating
from tests.support.databases import TestDatabase
from tests.support.serve import Serve, Started, customers_serve, customers_works


@dataclass(frozen=True)
class Deployment:
    """Everything but the processes."""

    environment: dict[str, str]
    operator: Operator
    session: aiohttp.ClientSession
    merchant_id: str
    key: str

    def serve(self, *options: str, **settings: object) -> AbstractAsyncContextManager[Serve]:
        """Start a process on this database; `shutdown_seconds=1` sets CUSTOMERS_SHUTDOWN_SECONDS."""
        given = {f"CUSTOMERS_{name.upper()}": str(value) for name, value in settings.items()}
        return customers_serve(self.environment | given, *options)

    def works(self, command: str, *, nats_url: str | None = None) -> AbstractAsyncContextManager[Started]:
        """Start `customers relay` or `customers project` on this database and, if given, this NATS."""
        given = {"CUSTOMERS_NATS_URL": nats_url} if nats_url else {}
        return customers_works(self.environment | given, command)

    def client(self, serve: Serve) -> Client:
        """A client of the merchant at this process."""
        return Client(self.session, serve.url, self.key)

    async def versions(self, customer_id: str) -> list[int]:
        """The versions that are stored of a customer, in order."""
        query = (
            "SELECT originator_version AS version FROM events.customer_events "
            "WHERE merchant_id = $1 AND originator_id = $2 ORDER BY position"
        )
        return [row["version"] for row in await self.operator.select(query, self.merchant_id, customer_id)]

    async def stored(self) -> dict[str, int]:
        """How many rows the merchant has, by table."""
        return await self.operator.stored(self.merchant_id)


@asynccontextmanager
async def deployed(database: TestDatabase) -> AsyncIterator[Deployment]:
    """A new merchant on this database under a new master key."""
    text = MasterKeys.generate_text()
    async with operating(database, MasterKeys.from_text(text)) as operator, client_session() as session:
        merchant_id = await operator.merchant()
        _, key = await operator.key(merchant_id)
        environment = {
            "CUSTOMERS_DATABASE_URL": database.url,
            "CUSTOMERS_ADMIN_DATABASE_URL": database.admin_url,
            "CUSTOMERS_MASTER_KEY": text.strip(),
        }
        yield Deployment(environment, operator, session, merchant_id, key)
