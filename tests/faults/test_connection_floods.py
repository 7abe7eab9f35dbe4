"""Connections in great number, and requests made to be expensive: healthy clients are unharmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
import pytest_asyncio

from service.embedded.postgres import EmbeddedPostgres
from service.http.connections import room_for_connections
from tests.support.api import Client
from tests.support.databases import fresh_database
from tests.support.deployment import Deployment, deployed
from tests.support.heartbeat import bearable, heartbeat
from tests.support.raw_http import Connection, connection, message
from tests.support.serve import Serve, comes_about

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDLE, READS = 5000, 500
AT_ONCE = 200
PIPELINED = 1000
BOMBERS, BOMBS = 4, 25
KIB, MIB = 2**10, 2**20
SLOW_BODY = ("Content-Type: application/json", "Content-Length: 1000")
POST = "POST /v1/customers HTTP/1.1"


@dataclass
class Attacked:
    """A process, and a healthy client of it with a customer to read."""

    deployment: Deployment
    serve: Serve
    client: Client
    customer_id: str

    @property
    def memory(self) -> int:
        """The process's resident bytes."""
        return int(self.serve.inside.memory_info().rss)

    def get(self, customer_id: str, *lines: str) -> bytes:
        """A request for a customer."""
        return message(self.deployment.key, *lines, start=f"GET /v1/customers/{customer_id} HTTP/1.1")


@asynccontextmanager
async def attackable(deployment: Deployment, **settings: object) -> AsyncIterator[Attacked]:
    """A process with these settings, for a block."""
    async with deployment.serve(**settings) as serve:
        client = deployment.client(serve)
        customer = await client.create({"Idempotency-Key": "healthy"}, email="healthy@example.com")
        yield Attacked(deployment, serve, client, customer.json()["id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[Deployment]:
    async with fresh_database(migrated_postgres) as database, deployed(database) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked(deployment: Deployment) -> AsyncIterator[Attacked]:
    async with attackable(deployment) as made:
        yield made


@asynccontextmanager
async def connections(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """So many connections that say nothing, in the order in which they were made."""
    async with AsyncExitStack() as stack:
        made: list[Connection] = []
        while len(made) < count:
            opened = (connection(url) for _ in range(min(AT_ONCE, count - len(made))))
            made += await asyncio.gather(*map(stack.enter_async_context, opened))
        yield made


async def test_five_thousand_idle_connections_disturb_nobody(attacked: Attacked) -> None:
    assert room_for_connections(IDLE) == IDLE, "this machine lets no process open so many files"
    most = await bearable(attacked.client, attacked.customer_id)
    before = attacked.memory
    async with connections(attacked.serve.url, IDLE) as idle:

        async def all_are_there() -> bool:
            return attacked.serve.clients() >= IDLE

        await comes_about(all_are_there, what=f"{IDLE} connections")
        each = (attacked.memory - before) / IDLE
        async with heartbeat(attacked.client, attacked.customer_id) as beats:
            for made in idle[:: IDLE // READS]:
                made.send(attacked.get(attacked.customer_id))
                assert (await made.answer()).status == 200
    assert each < 64 * KIB
    assert beats.p99() <= most


async def test_a_thousand_pipelined_requests_are_answered_in_order_in_little_memory(
    attacked: Attacked,
) -> None:
    most = await bearable(attacked.client, attacked.customer_id)
    before, peak = attacked.memory, 0
    ids = ["cus_1" if number % 3 else attacked.customer_id for number in range(PIPELINED)]
    async with (
        heartbeat(attacked.client, attacked.customer_id) as beats,
        connection(attacked.serve.url) as made,
    ):
        made.send(b"".join(attacked.get(customer_id) for customer_id in ids))
        made.send(attacked.get("cus_1", "Connection: close"))
        statuses = asyncio.create_task(made.statuses(60))

        async def all_are_answered() -> bool:
            nonlocal peak
            peak = max(peak, attacked.memory)
            return statuses.done()

        await comes_about(all_are_answered, what="the last answer")
    assert await statuses == [404 if customer_id == "cus_1" else 200 for customer_id in [*ids, "cus_1"]]
    assert peak - before < 16 * MIB
    assert beats.p99() <= most


@pytest.mark.parametrize(
    "lines",
    [[f"X-Long: {'x' * 2**20}"], [f"X-{n}: {'x' * 1000}" for n in range(1000)], ["X: y"] * 50_000],
    ids=["one of a megabyte", "a thousand of a kilobyte", "fifty thousand tiny ones"],
)
async def test_bombs_of_headers_are_431_and_the_end(attacked: Attacked, lines: list[str]) -> None:
    most = await bearable(attacked.client, attacked.customer_id)
    before, bomb = attacked.memory, attacked.get("cus_1", *lines)

    outcomes = set()

    async def explode(_: int) -> None:
        for _ in range(BOMBS):
            async with connection(attacked.serve.url) as made:
                made.send(bomb)
                outcomes.add(tuple(await made.statuses()))

    async with heartbeat(attacked.client, attacked.customer_id) as beats:
        await asyncio.gather(*map(explode, range(BOMBERS)))
    # Who is sending still when the connection ends may miss the answer.
    assert {(431,)} <= outcomes <= {(431,), ()}
    assert attacked.memory - before < 32 * MIB
    assert beats.p99() <= most


async def test_of_too_many_connections_those_that_are_idle_the_longest_are_closed(
    deployment: Deployment,
) -> None:
    async with (
        attackable(deployment, max_connections=20) as attacked,
        connections(attacked.serve.url, 10) as first,
    ):
        for made in first:
            made.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await made.answer()).status == 200
        # Until now the healthy client's own was the one that was idle the longest.
        assert (await attacked.client.get(attacked.customer_id)).status == 200
        async with connections(attacked.serve.url, 12) as later:
            for made in first[:3]:
                assert await made.rest() == b""
            for made in [*first[3:], *later]:
                made.send(attacked.get("cus_1"))
                assert (await made.answer()).status == 404


async def test_where_every_connection_is_at_work_a_new_one_is_closed(deployment: Deployment) -> None:
    async with (
        attackable(deployment, max_connections=5) as attacked,
        connections(attacked.serve.url, 4) as busy,
    ):
        for made in busy:
            made.send(message(deployment.key, *SLOW_BODY, start=POST))
        # The healthy client's own connection is idle, and makes room for one.
        async with connection(attacked.serve.url) as fifth:
            fifth.send(message(deployment.key, *SLOW_BODY, start=POST))

            async def is_refused() -> bool:
                async with connection(attacked.serve.url) as sixth:
                    return await sixth.rest() == b""

            await comes_about(is_refused, what="the refusal of one more")
            for made in busy:
                made.send(b"x" * 1000)
                assert (await made.answer()).refusal() == (400, "invalid_json")
