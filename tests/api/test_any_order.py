"""Whatever two merchants ask in whatever order, while workers come and go: the API answers as the model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from service.embedded.postgres import EmbeddedPostgres
from service.projecting import run_projections
from tests.support.api import RunningApi, running_api
from tests.support.databases import TestDatabase, fresh_database
from tests.support.ledger import check_ledger
from tests.support.machine import run_machine
from tests.support.read_models import check_read_model
from tests.support.worlds import World, entered


class ApiWorld(World):
    """An API with its projections, which are stopped by cancelling them wherever they stand."""

    workers = ("projections",)

    def __init__(self, runner: asyncio.Runner, api: RunningApi, database: TestDatabase) -> None:
        super().__init__(runner, api.operator, api.client)
        self._api = api
        self._database = database
        self._projecting: asyncio.Task[None] | None = None

    async def start(self, worker: str) -> None:
        """Start them; without NATS, so that the sweep does it all."""
        assert worker in self.workers
        if self._projecting is None:
            projections = run_projections(self._database.url, None, self._operator.master_keys)
            self._projecting = asyncio.create_task(projections)

    async def stop(self, worker: str, *, kill: bool) -> None:  # noqa: ARG002  # there is but one way to go
        """Cancel them."""
        assert worker in self.workers
        if self._projecting is not None:
            self._projecting.cancel()
            with suppress(asyncio.CancelledError):
                await self._projecting
            self._projecting = None

    async def catch_up(self) -> None:
        """Sweep, whoever else does."""
        while await self.is_behind():
            await self._api.sweep()


@contextmanager
def api_world(server: EmbeddedPostgres) -> Iterator[ApiWorld]:
    """The world, for a block; afterwards its database is in order."""
    with (
        asyncio.Runner() as runner,
        entered(runner, fresh_database(server)) as database,
        entered(runner, running_api(database)) as api,
    ):
        world = ApiWorld(runner, api, database)
        try:
            yield world
        finally:
            runner.run(world.stop("projections", kill=True))
        runner.run(world.catch_up())
        runner.run(check_ledger(database.admin_url, api.operator.master_keys, published=False))
        runner.run(check_read_model(database.admin_url, api.operator.master_keys))


def test_whatever_is_asked_in_any_order_is_answered_as_the_model_does(
    migrated_postgres: EmbeddedPostgres,
) -> None:
    with api_world(migrated_postgres) as world:
        run_machine(world, examples=40, steps=40)


@pytest.mark.long
def test_the_same_for_longer(migrated_postgres: EmbeddedPostgres) -> None:
    with api_world(migrated_postgres) as world:
        run_machine(world, examples=600, steps=50)
