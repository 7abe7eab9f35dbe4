"""Two `customers serve` processes on one fresh database, and clients that take turns at them.

In: a migrated server. Out: `Processes`: the deployment, the two processes, and a merchant's clients.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from service.embedded.postgres import EmbeddedPostgres
from tests.support.api import Client
from tests.support.databases import TestDatabase, fresh_database
from tests.support.deployment import Deployment, deployed
from tests.support.ledger import check_ledger
from tests.support.serve import Serve


@dataclass(frozen=True)
class Processes:
    """The processes, as one merchant sees them."""

    database: TestDatabase
    deployment: Deployment
    serves: tuple[Serve, Serve]

    def clients(self, count: int) -> list[Client]:
        """So many clients of the merchant, every other one at the other process."""
        return [self.deployment.client(self.serves[number % 2]) for number in range(count)]

    async def of_new_merchant(self) -> Processes:
        """The same processes as a new merchant sees them."""
        operator = self.deployment.operator
        merchant_id = await operator.merchant()
        _, key = await operator.key(merchant_id)
        return replace(self, deployment=replace(self.deployment, merchant_id=merchant_id, key=key))

    async def check(self) -> None:
        """Assert the invariants of the whole database."""
        await check_ledger(self.database.admin_url, self.deployment.operator.master_keys)


@asynccontextmanager
async def two_processes(server: EmbeddedPostgres) -> AsyncIterator[Processes]:
    """Two processes, for a block."""
    async with (
        fresh_database(server) as database,
        deployed(database) as deployment,
        deployment.serve() as first,
        deployment.serve() as second,
    ):
        yield Processes(database, deployment, (first, second))
