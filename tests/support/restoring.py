"""A database that is restored from a backup while the stream goes on: what was written since is lost.

In: a test's database and NATS. Out: `Restoring`: the store as it is, a backup of it, and relays on either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from events.master_keys import MasterKeys
from service.embedded.nats import EmbeddedNats
from service.embedded.postgres import EmbeddedPostgres
from tests.support.databases import TestDatabase, fresh_database
from tests.support.relaying import Relaying
from tests.support.store import opened_store

TEXT = MasterKeys.generate_text()
KEYS = MasterKeys.from_text(TEXT)


@dataclass(frozen=True)
class Restoring:
    """The servers."""

    postgres: EmbeddedPostgres
    nats: EmbeddedNats

    @asynccontextmanager
    async def on(self, database: TestDatabase) -> AsyncIterator[Relaying]:
        """A store on a database, and relays from it, for a block; nobody else may be connected afterwards."""
        async with opened_store(database, keys=KEYS) as store:
            yield Relaying(store, self.nats)

    def backup(self, database: TestDatabase) -> AbstractAsyncContextManager[TestDatabase]:
        """The database as it is now, under another name: to be gone on with instead of it, later."""
        return fresh_database(self.postgres, database.name)
