"""A socket between a service and PostgreSQL that holds back what passes, so that a test owns the moment.

In: the server and a database on it. Out: the same database through the proxy. `questions` gates what goes to
the server, `answers` what comes back; a closed gate holds bytes, it loses none, also not those of a client
that died meanwhile: they are on their way, as in a network.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from service.embedded.postgres import EmbeddedPostgres
from tests.support.databases import APPLICATION_ROLE, TestDatabase
from tests.support.directories import short_directory

CHUNK = 65536  # bytes


class Gate:
    """Open, until it is closed; counts who stands before it."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._waiting = asyncio.Condition()
        self._count = 0
        self._open.set()

    def close(self) -> None:
        """Hold back what comes from now on."""
        self._open.clear()

    def open(self) -> None:
        """Let everything through."""
        self._open.set()

    def let_these_through(self) -> None:
        """Let those through who stand here now, and nobody after them."""
        self._open.set()
        self._open.clear()

    async def passed(self) -> None:
        """Wait here while the gate is closed."""
        if self._open.is_set():
            return
        async with self._waiting:
            self._count += 1
            self._waiting.notify_all()
        await self._open.wait()
        self._count -= 1

    async def holding(self, count: int = 1, seconds: float = 10.0) -> None:
        """Return once so many stand before the gate."""
        async with asyncio.timeout(seconds), self._waiting:
            await self._waiting.wait_for(lambda: self._count >= count)


@dataclass
class DatabaseProxy:
    """The database behind the proxy, and the gates."""

    database: TestDatabase
    questions: Gate = field(default_factory=Gate)
    answers: Gate = field(default_factory=Gate)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Break every connection; what is held back is lost."""
        for writer in self.writers:
            writer.transport.abort()


@asynccontextmanager
async def database_proxy(server: EmbeddedPostgres, database: TestDatabase) -> AsyncIterator[DatabaseProxy]:
    """The application's way to the database leads through the proxy; the administrator's does not."""
    with short_directory() as directory:
        name = f".s.PGSQL.{server.port}"
        url = f"postgresql://{APPLICATION_ROLE}@/{database.name}?host={quote(str(directory), safe='')}"
        proxy = DatabaseProxy(replace(database, url=f"{url}&port={server.port}"))
        upstream = server.socket_directory / name
        pairs: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(_pass(proxy, upstream, reader, writer))
            pairs.add(task)
            task.add_done_callback(pairs.discard)

        listener = await asyncio.start_unix_server(accept, directory / name)
        try:
            yield proxy
        finally:
            listener.close()
            for task in list(pairs):
                task.cancel()
            await asyncio.gather(*pairs, return_exceptions=True)
            await listener.wait_closed()


async def _pass(
    proxy: DatabaseProxy, upstream: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One connection, until both sides have ended."""
    server_reader, server_writer = await asyncio.open_unix_connection(upstream)
    writers = {writer, server_writer}
    proxy.writers |= writers
    try:
        await asyncio.gather(
            _pump(reader, server_writer, proxy.questions), _pump(server_reader, writer, proxy.answers)
        )
    finally:
        proxy.writers -= writers
        for each in writers:
            each.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: Gate) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            await gate.passed()
            writer.write(chunk)
            await writer.drain()
    writer.close()
