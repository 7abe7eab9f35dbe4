"""Event streams as a client of Server-Sent Events reads them.

In: a client and what it asks for. Out: `Stream`: events one after another, and what else was said in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from yarl import URL

from tests.support.api import Client
from tests.support.described import check_answer

PATIENCE_SECONDS = 20.0
ACCEPT = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class Told:
    """One event: its fields as they came."""

    id: int
    event: str
    data: bytes

    def json(self) -> Any:
        """The object."""
        return orjson.loads(self.data)


@dataclass
class Stream:
    """An open stream."""

    response: aiohttp.ClientResponse
    retry: int | None = None
    last_id: int | None = None
    heartbeats: int = 0
    _ends: int = field(default=0, repr=False)

    async def next(self) -> Told | None:
        """The next event; None at the end of the stream."""
        while (block := await self.block()) is not None:
            if "data" in block:
                return Told(int(block["id"]), block["event"].decode(), block["data"])
        return None

    async def take(self, count: int) -> list[Told]:
        """So many events."""
        found = [await self.next() for _ in range(count)]
        assert None not in found
        return [one for one in found if one is not None]

    async def rest(self) -> list[Told]:
        """All that comes until the stream ends, which it does by itself."""
        found = []
        while (told := await self.next()) is not None:
            found.append(told)
        return found

    async def heartbeat(self) -> None:
        """Return after the next one."""
        before = self.heartbeats
        while self.heartbeats == before:
            assert await self.block() is not None

    async def block(self) -> dict[str, bytes] | None:
        """The fields up to the next empty line; None at the end."""
        fields: dict[str, bytes] = {}
        while True:
            async with asyncio.timeout(PATIENCE_SECONDS):
                line = await self.response.content.readline()
            if not line:
                assert not fields, "the stream ended within an event"
                return None
            if line == b"\n":
                break
            name, _, value = line[:-1].partition(b":")
            fields[name.decode()] = value.removeprefix(b" ")
        if "retry" in fields:
            self.retry = int(fields["retry"])
        if "id" in fields:
            self.last_id = int(fields["id"])
        if "data" not in fields and "retry" not in fields:
            self.heartbeats += 1
        return fields


@asynccontextmanager
async def streaming(
    client: Client, query: str = "", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Stream]:
    """The merchant's stream, for a block."""
    path = f"/v1/events{query}"
    sent = {"X-API-Key": client.key} | ACCEPT | dict(headers or {})
    timeout = aiohttp.ClientTimeout(total=None)
    url = URL(client.url + path, encoded=True)
    async with client.session.get(url, headers=sent, timeout=timeout) as response:
        body = b"" if response.status != 200 else b"retry"
        check_answer("GET", path, response.status, response.headers, body or await response.read())
        assert response.status == 200
        yield Stream(response)
