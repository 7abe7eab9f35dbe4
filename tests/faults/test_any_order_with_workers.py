"""The machine of the API while relay and projection are started, stopped and killed.

Reads by id and by email are right at every moment, lists once the workers caught up; afterwards ledger, read
model and stream agree (F5, F24, F25, F38; I3-I6, I8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

import pytest

from service.embedded.postgres import EmbeddedPostgres
from tests.support.databases import fresh_database
from tests.support.deployment import Deployment, deployed
from tests.support.ledger import check_ledger
from tests.support.machine import run_machine
from tests.support.read_models import check_read_model
from tests.support.relaying import check_stream, own_nats
from tests.support.serve import Serve, Started, comes_about
from tests.support.worlds import World, entered

pytestmark = pytest.mark.long


class ProcessWorld(World):
    """`customers serve`, with a relay and a projector that come and go."""

    workers = ("relay", "project")

    def __init__(self, runner: asyncio.Runner, deployment: Deployment, serve: Serve, nats_url: str) -> None:
        super().__init__(runner, deployment.operator, deployment.client(serve))
        self._deployment = deployment
        self._nats_url = nats_url
        self._working: dict[str, tuple[AbstractAsyncContextManager[Started], Started]] = {}

    async def start(self, worker: str) -> None:
        """Start the process, and wait until it works."""
        if worker not in self._working:
            manager = self._deployment.works(worker, nats_url=self._nats_url)
            self._working[worker] = manager, await manager.__aenter__()
            self.taken[f"{worker} started"] += 1

    async def stop(self, worker: str, *, kill: bool) -> None:
        """SIGTERM or SIGKILL."""
        if worker in self._working:
            manager, started = self._working.pop(worker)
            if kill:
                await started.kill()
            else:
                started.terminate()
                assert await started.ended() == 0, started.said()
            await manager.__aexit__(None, None, None)
            self.taken[f"{worker} {'killed' if kill else 'stopped'}"] += 1

    async def catch_up(self) -> None:
        """Start what is missing, and wait."""
        for worker in self.workers:
            await self.start(worker)
        await comes_about(self._is_up_to_date, what="a read model that has everything")

    async def _is_up_to_date(self) -> bool:
        return not await self.is_behind()

    async def published(self) -> None:
        """Wait until the relay has nothing left to do."""
        await self.start("relay")

        async def is_empty() -> bool:
            return not await self._operator.select("SELECT FROM events.outbox LIMIT 1")

        await comes_about(is_empty, what="an empty outbox")


@contextmanager
def process_world(server: EmbeddedPostgres) -> Iterator[ProcessWorld]:
    """The world, for a block; afterwards ledger, read model and stream agree."""
    with (
        own_nats() as nats,
        asyncio.Runner() as runner,
        entered(runner, fresh_database(server)) as database,
        entered(runner, deployed(database)) as deployment,
        entered(runner, deployment.serve()) as serve,
    ):
        world = ProcessWorld(runner, deployment, serve, nats.url)
        try:
            yield world
            runner.run(world.catch_up())
            runner.run(world.published())
            runner.run(check_ledger(database.admin_url, deployment.operator.master_keys))
            runner.run(check_read_model(database.admin_url, deployment.operator.master_keys))
            runner.run(check_stream(database.admin_url, nats.url))
        finally:
            for worker in world.workers:
                runner.run(world.stop(worker, kill=True))


def test_whatever_is_asked_while_workers_come_and_go_is_answered_as_the_model_does(
    migrated_postgres: EmbeddedPostgres,
) -> None:
    with process_world(migrated_postgres) as world:
        disturbances = [f"{worker} {how}" for worker in world.workers for how in ("stopped", "killed")]
        run_machine(world, examples=25, steps=40, more_ways=disturbances)
