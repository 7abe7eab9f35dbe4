"""Clients that are slow, on purpose or not: each is told or closed in time, and holds nothing afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from service.embedded.postgres import EmbeddedPostgres
from tests.support.api import JOHN, Client
from tests.support.databases import fresh_database
from tests.support.deployment import Deployment, deployed
from tests.support.heartbeat import bearable, heartbeat
from tests.support.raw_http import connection, message
from tests.support.serve import Serve, comes_about

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER_SECONDS, BODY_SECONDS, IDLE_SECONDS = 0.6, 1.0, 1.5
GET = b"GET /v1/customers/cus_1 HTTP/1.1\r\nHost: localhost\r\n"
POST = "POST /v1/customers HTTP/1.1"
TYPE = "Content-Type: application/json"
BODY = orjson.dumps(JOHN)
MIB = 2**20


class Attacked:
    """A process with short deadlines, and a healthy client of it."""

    def __init__(self, deployment: Deployment, serve: Serve) -> None:
        self.deployment = deployment
        self.serve = serve
        self.client: Client = deployment.client(serve)

    async def bearable(self) -> float:
        """The p99 that is no harm, in seconds."""
        customer = await self.client.create({"Idempotency-Key": "usual"}, email="usual@example.com")
        return await bearable(self.client, customer.json()["id"])

    def request(self, *lines: str, body: bytes = b"", start: str = POST) -> bytes:
        """A request of the merchant's."""
        return message(self.deployment.key, *lines, body=body, start=start)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[Attacked]:
    async with (
        fresh_database(migrated_postgres) as database,
        deployed(database) as deployment,
        deployment.serve(
            header_seconds=HEADER_SECONDS, body_seconds=BODY_SECONDS, idle_seconds=IDLE_SECONDS
        ) as serve,
    ):
        yield Attacked(deployment, serve)


async def test_a_head_that_comes_byte_by_byte_is_408_and_the_end(attacked: Attacked) -> None:
    async with connection(attacked.serve.url) as made:
        answer = await made.drip(GET * 10)
        assert answer.refusal() == (408, "request_timeout")
        assert answer.headers["connection"] == "close"
        assert b"head did not arrive within 0.6 s" in answer.body
        assert await made.rest() == b""


async def test_a_second_head_that_stops_is_408_too(attacked: Attacked) -> None:
    async with connection(attacked.serve.url) as made:
        made.send(GET + b"\r\n")
        assert (await made.answer()).status == 401
        made.send(GET)
        assert (await made.answer()).refusal() == (408, "request_timeout")
        assert await made.rest() == b""


async def test_a_head_that_takes_several_packets_within_its_time_is_served(attacked: Attacked) -> None:
    async with connection(attacked.serve.url) as made:
        for _ in range(3):
            assert (await made.drip(b"GET ", b"/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")).status == 200


@pytest.mark.parametrize("head", [b"", GET + b"\r\n"], ids=["never used", "used"])
async def test_a_connection_without_a_request_is_closed_without_a_word(
    attacked: Attacked, head: bytes
) -> None:
    async with connection(attacked.serve.url) as made:
        if head:
            made.send(head)
            assert (await made.answer()).status == 401
        assert await made.rest() == b""


@pytest.mark.parametrize("how", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
async def test_a_body_that_comes_byte_by_byte_is_408_and_stores_nothing(attacked: Attacked, how: str) -> None:
    before = await attacked.deployment.stored()
    async with connection(attacked.serve.url) as made:
        made.send(attacked.request(TYPE, how))
        made.send(b"3e8\r\n" if "chunked" in how else b"")
        answer = await made.drip(BODY)
        assert answer.refusal() == (408, "request_timeout")
        assert answer.headers["connection"] == "close"
        made.writer.write_eof()
        assert await made.rest() == b""
    assert await attacked.deployment.stored() == before


async def test_a_body_that_comes_late_but_in_time_is_taken(attacked: Attacked) -> None:
    async with connection(attacked.serve.url) as made:
        made.send(attacked.request(TYPE, f"Content-Length: {len(BODY)}"))
        assert (await made.drip(BODY[:5], BODY[5:])).status == 201


async def test_who_never_reads_its_answers_is_cut_off_and_holds_no_memory(attacked: Attacked) -> None:
    notes = {f"note{n}": "x" * 500 for n in range(50)}
    customer = await attacked.client.created(email="big@example.com", metadata=notes)
    most = await attacked.bearable()
    before, peak = attacked.serve.inside.memory_info().rss, 0
    ask = attacked.request(start=f"GET /v1/customers/{customer['id']} HTTP/1.1")
    async with connection(attacked.serve.url) as made, heartbeat(attacked.client, customer["id"]) as beats:
        made.send(ask)
        assert (await made.answer()).status == 200
        made.send(ask * 1000)  # 27 MB of answers

        async def cut_off() -> bool:
            nonlocal peak
            peak = max(peak, attacked.serve.inside.memory_info().rss)
            return not attacked.serve.is_connected_with(made.port)

        await comes_about(cut_off, what="the end of the connection")
    assert peak - before < 16 * MIB
    assert beats.p99() <= most


async def test_a_hundred_slow_clients_beside_a_healthy_one_do_it_no_harm(attacked: Attacked) -> None:
    customer = await attacked.client.created(email="healthy@example.com")
    most = await attacked.bearable()

    async def slow(number: int) -> list[int]:
        async with connection(attacked.serve.url) as made:
            made.send(GET if number % 2 else attacked.request(TYPE, "Content-Length: 1000", body=b"{"))
            return await made.statuses()

    async with heartbeat(attacked.client, customer["id"]) as beats:
        assert await asyncio.gather(*map(slow, range(100))) == [[408]] * 100
    assert beats.p99() <= most
