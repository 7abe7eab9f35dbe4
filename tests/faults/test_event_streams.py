"""Streams and processes: written by one and read of another, stopped under way, and read too slowly.

NATS is never started here: the feed needs none.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from tests.support.api import Client
from tests.support.deployment import Deployment
from tests.support.raw_http import connection
from tests.support.streams import streaming

MANY = 300


async def test_what_one_process_writes_wakes_those_who_wait_at_another(deployment: Deployment) -> None:
    async with deployment.serve() as writes, deployment.serve() as reads:
        reader, writer = deployment.client(reads), deployment.client(writes)
        async with streaming(reader) as stream:
            waiting = asyncio.create_task(reader.request("GET", "/v1/events?wait=30"))
            await writer.created()
            [told] = await stream.take(1)
            assert (await waiting).json()["data"] == [told.json()]


async def test_sigterm_ends_streams_and_answers_who_waits(deployment: Deployment) -> None:
    async with deployment.serve(shutdown_seconds=20) as serve, AsyncExitStack() as opened:
        client = deployment.client(serve)
        await client.created()
        streams = [await opened.enter_async_context(streaming(client)) for _ in range(20)]
        for stream in streams:
            await stream.take(1)
        waiting = [
            asyncio.create_task(client.request("GET", "/v1/events?after=1&wait=30")) for _ in range(20)
        ]
        await client.request("GET", "/v1/events")
        serve.terminate()
        assert await serve.ended(seconds=10) == 0
        assert [await stream.rest() for stream in streams] == [[]] * 20
        assert [(await task).json()["data"] for task in waiting] == [[]] * 20
        assert "Traceback" not in serve.said()
        assert "unexpected_error" not in serve.said()


async def write_many(client: Client) -> None:
    """So many large events that no socket's buffers hold them."""
    metadata = {f"key{number}": "x" * 500 for number in range(40)}
    customer = await client.created(metadata=metadata)
    for number in range(MANY - 1):
        await client.patch(customer["id"], name=f"Name {number}")


async def test_who_reads_slowly_holds_neither_memory_nor_the_others(deployment: Deployment) -> None:
    async with deployment.serve() as serve:
        client = deployment.client(serve)
        await client.created(email="warm@example.com")
        head = (
            f"GET /v1/events?after=1 HTTP/1.1\r\nHost: x\r\nX-API-Key: {deployment.key}\r\n"
            "Accept: text/event-stream\r\n\r\n"
        )
        async with AsyncExitStack() as opened:
            slow = [await opened.enter_async_context(connection(serve.url)) for _ in range(20)]
            for one in slow:
                one.send(head.encode())
                await one.reader.readuntil(b"retry: 2000\n\n")
            before = serve.inside.memory_info().rss
            async with streaming(client, "?after=1") as quick:
                await write_many(client)
                told = await quick.take(MANY)
            assert [event.id for event in told] == list(range(2, MANY + 2))
            grown = serve.inside.memory_info().rss - before
            assert grown < 40 * 1024 * 1024  # all of it, for each of them, would be 120 MiB
            for position in range(2, MANY + 2):  # what it missed is read from the store
                async with asyncio.timeout(20):
                    await slow[0].reader.readuntil(b"id: %d\n" % position)
