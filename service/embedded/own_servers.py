"""Servers of our own, kept running: started before a block, watched while it runs, stopped after it.

In: a server with a name, `start`, `stop` and `is_running`, all of which may block. Out: a running server,
and a line to `say` whenever it had to be started again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from service.embedded.nats_program import EmbeddedNatsError
from service.embedded.postgres import EmbeddedPostgresError

WATCH_SECONDS = 1.0

Say = Callable[[str], None]


class OwnServer(Protocol):
    """What EmbeddedPostgres and EmbeddedNats have in common."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""

    def start(self) -> None:
        """Start or adopt it, and wait until it is ready. Raises one of EmbeddedPostgresError, -NatsError."""

    def stop(self) -> None:
        """Stop it, if it runs, and wait for its end. Raises as `start` does."""


@asynccontextmanager
async def kept_running(server: OwnServer, say: Say) -> AsyncIterator[None]:
    """The server, running for a block. Raises EmbeddedPostgresError, EmbeddedNatsError."""
    ended = asyncio.Event()
    try:
        await asyncio.to_thread(server.start)
        watcher = asyncio.create_task(keep_running(server, ended, say))
        try:
            yield
        finally:
            ended.set()
            await watcher
    finally:
        await asyncio.to_thread(server.stop)


async def keep_running(server: OwnServer, ended: asyncio.Event, say: Say) -> None:
    """Start the server again whenever it is gone, until `ended` is set."""
    while not await comes_within(ended, WATCH_SECONDS):
        if not server.is_running:
            say(f"{server.name} is gone; starting it again")
            try:
                await asyncio.to_thread(server.start)
            except (EmbeddedPostgresError, EmbeddedNatsError) as error:
                say(str(error))


async def comes_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event at most so long; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
