"""GET /v1/events: how many may wait or stream, and who gives a place back."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.settings import Settings
from tests.support.api import Client, running_api
from tests.support.databases import TestDatabase
from tests.support.streams import ACCEPT, streaming

pytestmark = pytest.mark.asyncio(loop_scope="session")

STREAM = "Accept: text/event-stream\r\n"


def settings(places: int) -> Settings:
    """So many places for those who follow, half of them for one merchant; streams are silent for long."""
    return Settings(max_connections=2 * places)


async def opened(client: Client, query: str, headers: str = "") -> tuple[asyncio.StreamWriter, bytes]:
    """A connection that has asked; and the first line of the answer, which a stream gives at once."""
    host, _, port = client.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"GET /v1/events{query} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {client.key}\r\n{headers}\r\n"
    writer.write(head.encode())
    return writer, await reader.readline() if headers else b""


async def close(writers: list[asyncio.StreamWriter]) -> None:
    """Hang up."""
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_half_of_the_connections_are_kept_for_others(database: TestDatabase) -> None:
    async with running_api(database, settings(4)) as api, AsyncExitStack() as stack:
        other, third = [(await api.of_new_merchant()).client for _ in range(2)]
        for client in (api.client, api.client, other, other):
            await stack.enter_async_context(streaming(client))
        for query, headers in (("?wait=1", {}), ("", ACCEPT)):
            answer = await third.request("GET", f"/v1/events{query}", headers=headers)
            assert answer.refusal() == (503, "overloaded")
        assert (await third.request("GET", "/v1/events")).status == 200
        await third.created()
        assert (await third.request("GET", "/v1/events?wait=1")).status == 200
        await stack.aclose()
        while (await third.request("GET", "/v1/events?after=1&wait=1")).status != 200:
            pass


async def test_one_merchant_cannot_take_all_places(database: TestDatabase) -> None:
    async with running_api(database, settings(4)) as api:
        other = (await api.of_new_merchant()).client
        async with streaming(api.client), streaming(api.client):
            assert (await api.client.request("GET", "/v1/events?wait=1")).refusal() == (503, "overloaded")
            async with streaming(other):
                assert (await other.request("GET", "/v1/events?wait=1")).status == 200


async def test_those_who_come_at_the_same_moment_are_counted_too(database: TestDatabase) -> None:
    async with running_api(database, settings(10)) as api:
        found = await asyncio.gather(*(opened(api.client, "", STREAM) for _ in range(19)))
        assert sum(b" 200 " in line for _, line in found) == 5
        assert sum(b" 503 " in line for _, line in found) == 14
        await close([writer for writer, _ in found])


@pytest.mark.parametrize(("query", "headers"), [("?after=1&wait=30", ""), ("?after=1", STREAM)])
async def test_who_hangs_up_gives_the_place_back_at_once(
    database: TestDatabase, query: str, headers: str
) -> None:
    async with running_api(database, settings(4)) as api:
        await api.client.created()
        for _ in range(3):
            found = [await opened(api.client, query, headers) for _ in range(2)]
            await api.client.request("GET", "/v1/events")  # by now both have asked
            await close([writer for writer, _ in found])
        async with asyncio.timeout(10):  # of themselves they would stay for 15 s at least
            while (await api.client.request("GET", "/v1/events?after=1&wait=1")).status == 503:
                pass
