"""Relays and workers killed, paused and cut off under load: the stream is whole, the read model follows.

Each test writes through `customers serve` while it does its harm, and afterwards checks what was
acknowledged, the ledger, the stream and the read model (F5-F7, F16, F17, F24, F25; I1, I3-I6).
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio

from service.embedded.nats import EmbeddedNats
from tests.support.api import Client
from tests.support.databases import TestDatabase
from tests.support.deployment import Deployment, deployed
from tests.support.ledger import check_ledger
from tests.support.load import Load
from tests.support.read_models import check_read_model
from tests.support.relaying import check_stream, own_nats
from tests.support.serve import Started, comes_about

pytestmark = pytest.mark.long

WRITERS = 2
TAKE_OVER_SECONDS = 15.0
HEALED_SECONDS = 30.0


@dataclass(frozen=True)
class Circle:
    """A merchant's whole deployment: the database, NATS, and load on the API."""

    deployment: Deployment
    database: TestDatabase
    server: EmbeddedNats
    acknowledged: Load
    """What all loads together were told."""

    @asynccontextmanager
    async def load(self) -> AsyncIterator[Load]:
        """Clients that write without a pause to an API of their own, for a block; then nothing is lost."""
        async with self.deployment.serve() as serve:
            load = Load(self.deployment.client(serve), name=f"load-{len(self.acknowledged.versions)}")
            async with load.running(WRITERS):
                yield load
            assert set(load.statuses) <= {200, 201}
            self.acknowledged.take_over(load)
            await self.acknowledged.is_stored_once(self.deployment)

    def works(self, command: str) -> AbstractAsyncContextManager[Started]:
        """`customers relay` or `customers project` here."""
        return self.deployment.works(command, nats_url=self.server.url)

    async def outbox(self) -> int:
        """How many events have not left."""
        (row,) = await self.deployment.operator.select("SELECT count(*) AS waiting FROM events.outbox")
        return int(row["waiting"])

    async def has_drained(self, seconds: float = HEALED_SECONDS) -> None:
        """Return once everything has left."""

        async def is_empty() -> bool:
            return await self.outbox() == 0

        await comes_about(is_empty, seconds, "an empty outbox")

    async def is_whole(self) -> None:
        """Assert the invariants, once all is quiet: ledger and stream; then, with a projector, the rows."""
        await self.has_drained()
        await check_ledger(self.database.admin_url, self.deployment.operator.master_keys)
        await check_stream(self.database.admin_url, self.server.url)

    async def is_projected(self) -> None:
        """Assert that the read model comes to equal a fold of the store."""

        async def equals() -> bool:
            try:
                await check_read_model(self.database.admin_url, self.deployment.operator.master_keys)
            except AssertionError:
                return False
            return True

        await comes_about(equals, HEALED_SECONDS, "a read model that equals a fold of the store")


@pytest_asyncio.fixture
async def circle(database: TestDatabase) -> AsyncIterator[Circle]:
    with own_nats() as server:
        async with deployed(database) as deployment:
            nobody = Client(deployment.session, "", "")
            yield Circle(deployment, database, server, Load(nobody))


async def test_a_relay_killed_again_and_again_loses_and_doubles_nothing(circle: Circle) -> None:
    async with circle.load() as load:
        for _ in range(4):
            async with circle.works("relay") as relay:
                await load.has_written(60)
                await relay.kill()
    async with circle.works("relay"):
        await circle.is_whole()


async def test_a_standby_takes_over_from_a_paused_relay_which_does_no_harm_when_it_wakes(
    circle: Circle,
) -> None:
    async with circle.works("relay") as one, circle.works("relay") as other:
        async with circle.load() as load:
            await load.has_written(60)
            active = one if is_active(one) else other
            active.inside.send_signal(signal.SIGSTOP)
            await load.has_written(60)
        await circle.has_drained(TAKE_OVER_SECONDS)
        async with circle.load() as load:
            await load.has_written(50)
            active.inside.send_signal(signal.SIGCONT)
            await load.has_written(60)
        await circle.is_whole()


def is_active(relay: Started) -> bool:
    """Whether it is the one that publishes."""
    return '"relay_active"' in relay.said()


async def test_without_nats_writes_and_reads_by_id_notice_nothing_and_the_stream_catches_up(
    circle: Circle,
) -> None:
    await asyncio.to_thread(circle.server.stop)
    async with circle.works("relay"), circle.works("project"):
        async with circle.load() as load:
            await load.has_written(60)
        assert await circle.outbox() == load.written
        await circle.is_projected()
        await asyncio.to_thread(circle.server.start)
        await circle.is_whole()


async def test_a_stream_restored_from_an_older_copy_is_healed_in_order_while_writes_go_on(
    circle: Circle,
) -> None:
    server = circle.server
    async with circle.works("relay"), circle.works("project"):
        async with circle.load() as load:
            await load.has_written(60)
            await asyncio.to_thread(server.stop)
            older = server.directory / "older"
            shutil.copytree(server.data, older)
            await asyncio.to_thread(server.start)
            await load.has_written(60)
            await asyncio.to_thread(server.stop)
            shutil.rmtree(server.data)
            older.rename(server.data)
            await load.has_written(50)
            await asyncio.to_thread(server.start)
            await load.has_written(50)
        await circle.is_whole()
        await circle.is_projected()


async def test_workers_killed_again_and_again_apply_everything_once(circle: Circle) -> None:
    async with circle.works("relay"):
        async with circle.load() as load:
            for _ in range(2):
                async with circle.works("project") as one, circle.works("project") as other:
                    await load.has_written(60)
                    await one.kill()
                    await load.has_written(30)
                    await other.kill()
        async with circle.works("project"), circle.works("project"):
            await circle.is_whole()
            await circle.is_projected()


async def test_a_worker_that_is_paused_and_goes_on_takes_nothing_back(circle: Circle) -> None:
    async with circle.works("relay"), circle.works("project") as one, circle.works("project"):
        async with circle.load() as load:
            await load.has_written(60)
            one.inside.send_signal(signal.SIGSTOP)
            await load.has_written(60)
            one.inside.send_signal(signal.SIGCONT)
            await load.has_written(50)
        await circle.is_whole()
        await circle.is_projected()
