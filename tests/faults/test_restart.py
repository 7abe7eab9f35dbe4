"""PostgreSQL stopped and started under load (F10): 503 with Retry-After, back by itself, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Literal

import asyncpg
import pytest

from service.embedded.postgres import EmbeddedPostgres
from tests.support.databases import TestDatabase, fresh_database, make_template
from tests.support.deployment import Deployment, deployed
from tests.support.directories import short_directory
from tests.support.ledger import check_ledger
from tests.support.load import Load
from tests.support.serve import Serve
from tests.support.streams import streaming

BACK_SECONDS = 5.0
WRITERS = 16


@pytest.fixture(scope="module")
def durable_postgres() -> Iterator[EmbeddedPostgres]:
    """A server of this module's own, with fsync, that it may stop as it likes."""
    with short_directory() as directory:
        server = EmbeddedPostgres(directory / "postgres", options={"shared_buffers": "64MB"})
        try:
            server.start()
            asyncio.run(make_template(server))
            yield server
        finally:
            server.stop("immediate")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_writes_resume_by_themselves_after_a_restart_and_nothing_is_lost(
    durable_postgres: EmbeddedPostgres, mode: Literal["fast", "immediate"]
) -> None:
    async with fresh_database(durable_postgres) as database, deployed(database) as deployment:
        async with (
            deployment.serve(append_deadline_seconds=1) as one,
            deployment.serve(append_deadline_seconds=1) as other,
            deployment.works("project"),
        ):
            load, beside = Load(deployment.client(one)), Load(deployment.client(other), name="beside")
            async with load.running(WRITERS), beside.running(WRITERS):
                await asyncio.gather(load.has_written(200), beside.has_written(200))
                await asyncio.to_thread(durable_postgres.stop, mode)
                await asyncio.gather(load.has_seen(503), beside.has_seen(503))
                await asyncio.to_thread(durable_postgres.start)
                await asyncio.gather(
                    load.has_written(WRITERS, BACK_SECONDS), beside.has_written(WRITERS, BACK_SECONDS)
                )
            assert load.unanswered == beside.unanswered == 0
            require_only_documented(load, beside)
            require_calm(one, other)
            await end(one, other)
        load.take_over(beside)
        await load.is_stored_once(deployment)
        await check_ledger(database.admin_url, deployment.operator.master_keys)


async def test_a_restart_while_appends_wait_for_a_ledger_leaves_each_applied_once(
    durable_postgres: EmbeddedPostgres,
) -> None:
    async with (
        fresh_database(durable_postgres) as database,
        deployed(database) as deployment,
        deployment.serve() as serve,
    ):
        load = Load(deployment.client(serve))
        async with load.running(WRITERS):
            await load.has_written(50)
            await hold_ledger_until_stopped(durable_postgres, database, deployment)
            await asyncio.to_thread(durable_postgres.start)
            await load.has_written(WRITERS, BACK_SECONDS)
        require_only_documented(load)
        await load.is_stored_once(deployment)
        await check_ledger(database.admin_url, deployment.operator.master_keys)


async def test_streams_and_who_waits_outlive_a_restart(durable_postgres: EmbeddedPostgres) -> None:
    async with (
        fresh_database(durable_postgres) as database,
        deployed(database) as deployment,
        deployment.serve(heartbeat_seconds=0.1) as serve,
    ):
        client = deployment.client(serve)
        await client.created(email="before@example.com")
        async with streaming(client) as stream:
            await stream.take(1)
            waiting = asyncio.create_task(client.request("GET", "/v1/events?after=1&wait=30"))
            await asyncio.to_thread(durable_postgres.stop, "immediate")
            await stream.heartbeat()
            await stream.heartbeat()
            await asyncio.to_thread(durable_postgres.start)
            while (created := await client.create(email="after@example.com")).status == 503:
                pass
            [told] = await stream.take(1)
            assert told.json()["data"] == created.json()
            assert (await waiting).json()["data"] == [told.json()]
        require_calm(serve)


async def test_readiness_follows_the_database(durable_postgres: EmbeddedPostgres) -> None:
    async with (
        fresh_database(durable_postgres) as database,
        deployed(database) as deployment,
        deployment.serve() as serve,
    ):
        client = deployment.client(serve)
        customer = await client.created()
        await asyncio.to_thread(durable_postgres.stop, "fast")
        ready = await client.request("GET", "/readyz")
        assert (ready.status, ready.headers["Retry-After"]) == (503, "1")
        assert (await client.request("GET", "/healthz")).status == 200
        read = await client.get(customer["id"])
        assert read.refusal() == (503, "store_unavailable")
        assert "Retry-After" in read.headers
        await asyncio.to_thread(durable_postgres.start)
        assert (await client.request("GET", "/readyz")).status == 200
        assert (await client.get(customer["id"])).json() == customer


async def hold_ledger_until_stopped(
    server: EmbeddedPostgres, database: TestDatabase, deployment: Deployment
) -> None:
    """Lock the merchant's head, so that appends wait in the server, and stop it under them."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute("BEGIN")
        await connection.execute(
            "SELECT FROM events.merchants WHERE id = $1 FOR UPDATE", deployment.merchant_id
        )
        await asyncio.to_thread(server.stop, "immediate")
    finally:
        connection.terminate()


def require_only_documented(*loads: Load) -> None:
    """Nothing but success and 503 with Retry-After was answered."""
    for load in loads:
        assert set(load.statuses) <= {200, 201, 503}, load.statuses
        assert load.without_retry_after == 0


def require_calm(*serves: Serve) -> None:
    """No process met anything that it did not foresee."""
    for serve in serves:
        assert "unexpected_error" not in serve.said(), serve.said()
        assert "Traceback" not in serve.said(), serve.said()


async def end(*serves: Serve) -> None:
    """Each process still ends in good order."""
    for serve in serves:
        serve.terminate()
        assert await serve.ended() == 0
