"""HTTP as it goes over the wire: bytes out, answers in, for requests that no client library would send.

In: a server's URL and bytes. Out: `Connection`, which reads what comes back, and `Raw`, one answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson

ANSWER_SECONDS = 10.0
DRIP_SECONDS = 0.05


@dataclass(frozen=True)
class Raw:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    def refusal(self) -> tuple[int, str]:
        """Status and code, of an error in the documented form."""
        body = orjson.loads(self.body)
        assert self.headers["content-type"] == "application/json"
        assert body["statusCode"] == self.status
        assert body["requestId"] == self.headers["x-request-id"]
        return self.status, body["code"]


@dataclass(frozen=True)
class Connection:
    """A connection of a client that does what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def port(self) -> int:
        """The client's own."""
        return int(self.writer.get_extra_info("sockname")[1])

    def send(self, data: bytes) -> None:
        """Send these bytes, some time."""
        self.writer.write(data)

    async def drip(self, data: bytes, then: bytes = b"") -> Raw:
        """Send byte after byte, and the rest at once, until there is an answer."""
        answer = asyncio.create_task(self.answer())
        for number in range(len(data)):
            done, _ = await asyncio.wait({answer}, timeout=DRIP_SECONDS)
            if done:
                break
            self.send(data[number : number + 1])
        self.send(then)
        return await answer

    async def answer(self) -> Raw:
        """The next answer."""
        async with asyncio.timeout(ANSWER_SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().rstrip().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Raw(int(first.split(" ")[1]), headers, body)

    async def rest(self, seconds: float = ANSWER_SECONDS) -> bytes:
        """Everything until the server closes the connection; fails when it does not in time."""
        async with asyncio.timeout(seconds):
            received = b""
            with suppress(ConnectionResetError):
                while data := await self.reader.read(2**16):
                    received += data
            return received

    async def statuses(self, seconds: float = ANSWER_SECONDS) -> list[int]:
        """The statuses of all answers until the server closes the connection."""
        return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", await self.rest(seconds))]


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[Connection]:
    """A connection to this server, for a block."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def send(url: str, data: bytes) -> Raw:
    """Send these bytes on a connection of their own; the first answer."""
    async with connection(url) as made:
        made.send(data)
        return await made.answer()


def message(key: str, *lines: str, body: bytes = b"", start: str = "GET /v1/customers HTTP/1.1") -> bytes:
    """A request under this key with these header lines."""
    head = [start, "Host: localhost", f"X-API-Key: {key}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body
