"""A backup is restored by the book (deploy/README.md): everybody ends equal to its ledger (F11, F12).

All parts of the service run as processes, on the database and then on an older copy of it, with one NATS that
knows more than the copy does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from events.stream.jetstream import JetStream
from projections.delivery import Delivery
from service.embedded.nats import EmbeddedNats
from service.embedded.postgres import EmbeddedPostgres
from service.projecting import ensure_billing_streams
from tests.support.api import Client, client_session, operating
from tests.support.billing import charge
from tests.support.commands import customers
from tests.support.databases import TestDatabase, fresh_database
from tests.support.deployment import Deployment
from tests.support.ledger import check_ledger
from tests.support.nats_servers import raw_jetstream
from tests.support.read_models import check_read_model
from tests.support.relaying import check_stream, own_nats, read_stream
from tests.support.restoring import KEYS, TEXT
from tests.support.serve import comes_about
from tests.support.subscribing import Copy, state_of

pytestmark = pytest.mark.long

QUIET_SECONDS = 30.0


def environment(database: TestDatabase) -> dict[str, str]:
    """The variables of a process on this database."""
    return {
        "CUSTOMERS_DATABASE_URL": database.url,
        "CUSTOMERS_ADMIN_DATABASE_URL": database.admin_url,
        "CUSTOMERS_MASTER_KEY": TEXT.strip(),
    }


@asynccontextmanager
async def running(
    database: TestDatabase, server: EmbeddedNats, charged: int, merchant_id: str | None = None
) -> AsyncIterator[tuple[Client, str]]:
    """All parts of the service, and a client of a merchant, a new one unless given.

    At the end all is quiet, and its customers have so many charges.
    """
    async with operating(database, KEYS) as operator, client_session() as session:
        merchant_id = merchant_id or await operator.merchant()
        _, key = await operator.key(merchant_id)
        deployment = Deployment(environment(database), operator, session, merchant_id, key)
        async with (
            deployment.serve() as serve,
            deployment.works("relay", nats_url=server.url),
            deployment.works("project", nats_url=server.url),
        ):
            client = deployment.client(serve)
            yield client, merchant_id
            await is_quiet(deployment, database, client, charged)


async def is_quiet(deployment: Deployment, database: TestDatabase, client: Client, charged: int) -> None:
    """Return once everything has left, was projected and counted."""

    async def is_done() -> bool:
        if await deployment.operator.select("SELECT FROM events.outbox LIMIT 1"):
            return False
        try:
            await check_read_model(database.admin_url, KEYS)
        except AssertionError:
            return False
        listed = (await client.page(limit=100, expand="stats")).json()["data"]
        return bool(sum(customer["chargeCount"] for customer in listed) == charged)

    await comes_about(is_done, QUIET_SECONDS, "all of it projected and counted")


async def customer_with_charge(client: Client, merchant_id: str, server: EmbeddedNats, number: int) -> str:
    """A new customer, and a charge of theirs."""
    made = await client.created(email=f"{number}@example.com", name=f"Customer {number}")
    await charge_for(made["id"], merchant_id, server, number)
    return str(made["id"])


async def charge_for(customer_id: str, merchant_id: str, server: EmbeddedNats, number: int) -> None:
    """A charge, from the service that owns it."""
    told = charge(f"chrg_{number}", customer=customer_id, merchant=merchant_id)
    async with raw_jetstream(server.url) as stream:
        await stream.publish("charges.completed", orjson.dumps(told))


async def messages(server: EmbeddedNats, merchant_id: str) -> list[Delivery]:
    return [one for one in await read_stream(server.url) if one.subject.split(".")[2] == merchant_id]


async def test_subscribers_stats_and_stream_end_equal_to_the_restored_ledger(
    migrated_postgres: EmbeddedPostgres, database: TestDatabase
) -> None:
    with own_nats() as server:
        async with JetStream.connect(server.url) as stream:
            await ensure_billing_streams(stream)
        async with running(database, server, 5) as (client, merchant_id):
            kept = [await customer_with_charge(client, merchant_id, server, number) for number in range(5)]
        async with fresh_database(migrated_postgres, database.name) as backup:
            async with running(database, server, 7, merchant_id) as (client, _):
                await customer_with_charge(client, merchant_id, server, 50)
                await charge_for(kept[2], merchant_id, server, 51)
                await client.patch(kept[0], phone="+1")
            subscriber, told = Copy(), await messages(server, merchant_id)
            assert subscriber.follow(told, told) == "went on"
            assert subscriber.position == 7
            said = await customers(environment(backup), "merchants", "new-epoch", "--all")
            assert said == f"{merchant_id} begins epoch 2 at position 5"
            async with raw_jetstream(server.url) as stream_:
                for name in ("CHARGES", "INVOICES"):
                    await stream_.delete_consumer(name, f"billing-{name.lower()}")
            async with running(backup, server, 7, merchant_id) as (client, _):
                await customer_with_charge(client, merchant_id, server, 60)
                await client.patch(kept[1], phone="+2")
            await check_ledger(backup.admin_url, KEYS)
            await check_stream(backup.admin_url, server.url)
            now = await messages(server, merchant_id)
            assert subscriber.follow(now, now) == "began"
            assert subscriber.customers == await state_of(backup.admin_url, merchant_id)
            assert subscriber.epoch == 2
