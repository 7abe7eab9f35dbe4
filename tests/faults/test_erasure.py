"""Erasures while everything breaks: of the person nothing is left anywhere that could be read (F40).

Two tests: one looks for the values of a person who lived with all parts of the service, in every table,
stream, file and log; the other kills relays while customers are erased under load.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest
import pytest_asyncio

from service.embedded.nats import EmbeddedNats
from service.embedded.postgres import EmbeddedPostgres
from tests.support.api import Client
from tests.support.canary import CHANGED, PERSON, columns, found_in, readable, texts
from tests.support.databases import TestDatabase
from tests.support.deployment import Deployment, deployed
from tests.support.ledger import check_ledger
from tests.support.load import Load
from tests.support.read_models import check_read_model
from tests.support.relaying import check_stream, own_nats
from tests.support.serve import Serve, comes_about

PERSONAL = [text.encode() for text in [*texts(PERSON), *texts(CHANGED)]]
HEALED_SECONDS = 30.0


@dataclass(frozen=True)
class Whole:
    """All parts of the service, and where a person's values could be."""

    deployment: Deployment
    database: TestDatabase
    server: EmbeddedNats

    def serve(self) -> AbstractAsyncContextManager[Serve]:
        """Start an API that tells all it does."""
        return self.deployment.serve(log_level="debug")

    async def client(self, serve: Serve) -> Client:
        """A client that may do everything."""
        _, key = await self.deployment.operator.key(
            self.deployment.merchant_id, frozenset({"read", "write", "erase"})
        )
        return self.deployment.client(serve).having(key)

    async def has_drained(self) -> None:
        """Return once everything has left, and the read model is what the events amount to."""
        operator = self.deployment.operator

        async def is_quiet() -> bool:
            if await operator.select("SELECT FROM events.outbox LIMIT 1"):
                return False
            try:
                await check_read_model(self.database.admin_url, operator.master_keys)
            except AssertionError:
                return False
            return True

        await comes_about(is_quiet, HEALED_SECONDS, "a drained outbox and a read model up to date")
        await check_ledger(self.database.admin_url, operator.master_keys)
        await check_stream(self.database.admin_url, self.server.url)


@pytest_asyncio.fixture
async def whole(database: TestDatabase) -> AsyncIterator[Whole]:
    with own_nats() as server:
        async with deployed(database) as deployment:
            yield Whole(deployment, database, server)


async def erase(client: Client, customer_id: str) -> int:
    return (await client.request("POST", f"/v1/customers/{customer_id}/erase")).status


async def test_of_an_erased_person_nothing_can_be_read_anywhere(
    migrated_postgres: EmbeddedPostgres, whole: Whole
) -> None:
    deployment, operator, url = whole.deployment, whole.deployment.operator, whole.server.url
    async with (
        whole.serve() as serve,
        deployment.works("project", nats_url=url) as project,
        deployment.works("relay", nats_url=url) as relay,
    ):
        client = await whole.client(serve)
        person = (await client.create({"Idempotency-Key": "k"}, **PERSON)).json()["id"]
        other = (await client.created(email="other@example.com", name="Somebody Else"))["id"]
        await whole.has_drained()
        await relay.kill()
        assert found_in(bytes_of(whole), PERSONAL)
        await client.patch(person, **CHANGED)
        wrapped = await operator.select(
            "SELECT wrapped_key FROM events.customer_keys WHERE customer_id = $1", person
        )
        assert await erase(client, person) == 200
        async with deployment.works("relay", nats_url=url) as later:
            await whole.has_drained()
            logs = [one.said().encode() for one in (serve, project, relay, later)]
        assert (await client.get(other)).json()["name"] == "Somebody Else"
        assert (await client.create({"Idempotency-Key": "k"}, **PERSON)).refusal() == (410, "customer_erased")
    assert readable(await columns(operator), [*PERSONAL, wrapped[0]["wrapped_key"]]) == set()
    assert found_in([*logs, migrated_postgres.log.read_bytes()], PERSONAL) == []
    # PostgreSQL's own files are another matter: dead rows, and the log that a standby and a backup follow.
    assert found_in(bytes_of(whole), [b"Somebody Else", *PERSONAL]) == [b"Somebody Else"]


def bytes_of(whole: Whole) -> list[bytes]:
    """All that NATS keeps."""
    return [path.read_bytes() for path in whole.server.directory.rglob("*") if path.is_file()]


@pytest.mark.long
async def test_relays_killed_while_customers_are_erased_leave_nothing_of_them(whole: Whole) -> None:
    deployment, url = whole.deployment, whole.server.url
    async with whole.serve() as serve, deployment.works("project", nats_url=url):
        client = await whole.client(serve)
        load = Load(client)
        erased: list[str] = []
        async with load.running(2):
            for _ in range(4):
                async with deployment.works("relay", nats_url=url) as relay:
                    made = [
                        (await client.created(email=f"e{len(erased) + number}@example.com"))["id"]
                        for number in range(8)
                    ]
                    await load.has_written(20)
                    assert {await erase(client, customer_id) for customer_id in made} == {200}
                    erased += made
                    await relay.kill()
        async with deployment.works("relay", nats_url=url):
            await whole.has_drained()
        for customer_id in erased:
            assert (await client.get(customer_id)).json()["deleted"]
