"""The event store under test: merchants, commands as `events.append` takes them, and what became of them.

In: a test's database. Out: `Appender`, one connection of the application's role that calls `events.append`
as the lanes do, and `Stored`, an `EventStore` with its master keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias

import asyncpg

from events.command import Append, Outcome
from events.customer import Customer, Values
from events.database import Database
from events.ids import CUSTOMER_PREFIX, MERCHANT_PREFIX, make_id
from events.loading import Loaded, Wanted
from events.master_keys import MasterKeys
from events.queries import APPEND
from events.statements import Statement
from events.store import Change, EventStore
from service.email_address import email_key
from service.merchants import create_merchant
from tests.support.cases import JOHN, moment
from tests.support.databases import TestDatabase
from tests.support.ledger import check_snapshot

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

FINGERPRINT = sha256(b"a request").digest()
OTHER_FINGERPRINT = sha256(b"another request").digest()


def merchant_id(number: int) -> str:
    """The id of an invented merchant; ids ascend with the number."""
    return make_id(MERCHANT_PREFIX, number, bytes(10))


def customer_id(number: int) -> str:
    """The id of an invented customer; ids ascend with the number."""
    return make_id(CUSTOMER_PREFIX, number, bytes(10))


M1, M2, M3 = merchant_id(1), merchant_id(2), merchant_id(3)
C1, C2, C3 = customer_id(1), customer_id(2), customer_id(3)
NOWHERE = merchant_id(404)


def creating(customer: str, email: str | None, merchant: str = M1, **changes: Any) -> Append:
    """A command that begins a customer, with a data key and, unless None, an email."""
    values: dict[str, Any] = {
        "topic": "CustomerCreated",
        "state": f"created {customer}".encode(),
        "metadata": b'{"by": "a test"}',
        "email_claim": email,
        "wrapped_key": f"key of {customer}".encode(),
        "master_version": 1,
        "status": 201,
    }
    return Append(merchant, customer, 1, **(values | changes))


def changing(customer: str, version: int, merchant: str = M1, **changes: Any) -> Append:
    """A command that makes this version of a customer."""
    values: dict[str, Any] = {
        "topic": "CustomerUpdated",
        "state": f"updated {customer} {version}".encode(),
        "metadata": b'{"by": "a test"}',
        "status": 200,
    }
    return Append(merchant, customer, version, **(values | changes))


def remembering(customer: str, version: int, key: bytes, merchant: str = M1, **changes: Any) -> Append:
    """A command without an event: only its key is to be remembered."""
    values: dict[str, Any] = {"idempotency_key": key, "fingerprint": FINGERPRINT, "status": 200}
    return Append(merchant, customer, version, **(values | changes))


def keyed(key: bytes, fingerprint: bytes = FINGERPRINT) -> dict[str, Any]:
    """The members of a command that came with an Idempotency-Key."""
    return {"idempotency_key": key, "fingerprint": fingerprint}


@dataclass(frozen=True)
class Appender:
    """`events.append` as the application's role calls it, and the tables as they are afterwards."""

    raw: Connection

    async def append(self, *commands: Append) -> list[Outcome]:
        """One call with these commands."""
        return [Outcome(*row) for row in await self.raw.fetch(APPEND.text, list(commands))]

    async def kinds(self, *commands: Append) -> list[str]:
        """What became of each."""
        return [outcome.kind for outcome in await self.append(*commands)]

    async def rows(self, table: str, order: str = "1, 2") -> list[dict[str, Any]]:
        """All rows of a table of the store."""
        return [dict(row) for row in await self.raw.fetch(f"SELECT * FROM events.{table} ORDER BY {order}")]

    async def check(self) -> dict[str, int]:
        """Assert the invariants of the ledgers; the number of events by merchant."""
        return await check_snapshot(self.raw, published=False)

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables that a command may write to."""
        return {table: await self.rows(table) for table in WRITTEN}


WRITTEN = (
    "merchants",
    "customer_events",
    "customer_keys",
    "email_claims",
    "idempotency_keys",
    "outbox",
)


async def make_merchants(database: TestDatabase, *merchants: str) -> None:
    """Merchants with empty ledgers."""
    async with Database.connect(database.admin_url) as admin:
        for merchant in merchants:
            await create_merchant(admin, merchant_id=merchant, live=False, currency="USDC")


@asynccontextmanager
async def connected(url: str, **settings: str) -> AsyncIterator[Connection]:
    """A bare connection, for a block."""
    raw = await asyncpg.connect(url, server_settings=settings, timeout=10)
    try:
        yield raw
    finally:
        raw.terminate()


@dataclass(frozen=True)
class Store:
    """An event store on a test's database, with what a test needs to look behind it."""

    events: EventStore
    database: Database
    admin: Database
    master_keys: MasterKeys
    url: str
    admin_url: str

    async def create(
        self, customer: str, values: Values = JOHN, merchant: str = M1, **more: Any
    ) -> tuple[Customer, Outcome]:
        """A new customer; as it is now, and what became of the command."""
        made = Customer.create(customer, merchant, values, moment(1))
        change = Change(made, None, b"{}", 201, email_claim=email_key(values["email"]), **more)
        return made, await self.events.append(change)

    async def update(self, customer: str, merchant: str = M1, **values: Any) -> Outcome:
        """Load, change these members, append."""
        loaded = await self.load(customer, merchant)
        assert loaded.customer is not None
        before = email_key(loaded.customer.values["email"])
        loaded.customer.update(loaded.customer.values | values, moment(loaded.customer.version + 1))
        after = email_key(loaded.customer.values["email"])
        claim, release = (after, before) if before != after else (None, None)
        change = Change(
            loaded.customer, loaded.data_key, b"{}", 200, email_claim=claim, email_release=release
        )
        return await self.events.append(change)

    async def delete(self, customer: str, merchant: str = M1) -> Outcome:
        """Load, delete, append."""
        loaded = await self.load(customer, merchant)
        assert loaded.customer is not None
        release = email_key(loaded.customer.values["email"])
        loaded.customer.delete(moment(loaded.customer.version + 1))
        change = Change(loaded.customer, loaded.data_key, b"{}", 200, email_release=release)
        return await self.events.append(change)

    async def erase(self, customer: str, merchant: str = M1) -> Outcome:
        """Load, erase, append; the store alone."""
        loaded = await self.load(customer, merchant)
        assert loaded.customer is not None
        email = loaded.customer.values["email"]
        loaded.customer.erase(moment(loaded.customer.version + 1))
        change = Change(
            loaded.customer, loaded.data_key, b"{}", 200, email_release=email and email_key(email)
        )
        async with self.database.transaction() as transaction:
            return await self.events.append_within(transaction, change)

    async def load(self, customer: str, merchant: str = M1, **wanted: Any) -> Loaded:
        """The customer from its events."""
        return await self.events.load(Wanted(merchant, customer, **wanted))

    async def select(self, text: str, *arguments: Any) -> Sequence[Any]:
        """The rows of a statement, as the administrator."""
        return await self.admin.fetch(Statement("select", text), *arguments)


@asynccontextmanager
async def opened_store(
    database: TestDatabase, *, url: str | None = None, keys: MasterKeys | None = None, **options: Any
) -> AsyncIterator[Store]:
    """A store on this database, as the application's role; `url` may lead through something else."""
    master_keys = keys or MasterKeys.from_text(MasterKeys.generate_text())
    url = url or database.url
    async with (
        Database.connect(database.url) as pool,
        Database.connect(database.admin_url) as admin,
        EventStore.open(url, pool, master_keys, **options) as store,
    ):
        yield Store(store, pool, admin, master_keys, url, database.admin_url)
