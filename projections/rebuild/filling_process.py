"""Filling in a process of its own, so that a large rebuild has more than one processor.

In: a database and the master keys, then stretches one after another. Out: what was filled, page by page. The
two sides talk in lines of JSON over the child's stdin and stdout: secrets are in no argument and no variable.
A child whose parent is gone, however it went, ends by itself.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import orjson
import uvloop

from events.database import Database
from events.errors import StoreError
from events.master_keys import MasterKeys
from events.memory import settle_memory
from projections.rebuild.filling import Filled, Stretch, fill

CONNECTIONS = 3
SETTINGS = {"synchronous_commit": "off"}
"""Nobody waits for a page to be on disk: the commit that swaps does, for all that was before it, too."""
LINE = 2**20
"""Bytes; a page of customers may all have to be parked."""


class FillingProcess:
    """The parent's side: fills one stretch at a time."""

    def __init__(self, process: Process, said: StreamWriter, heard: StreamReader) -> None:
        self._process = process
        self._to_it = said
        self._from_it = heard

    @classmethod
    @asynccontextmanager
    async def started(cls, url: str, master_keys: MasterKeys) -> AsyncIterator[FillingProcess]:
        """A process for a block. Ctrl-C at the terminal reaches the parent alone, which ends it."""
        command = (sys.executable, "-m", __name__)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, start_new_session=True, limit=LINE
        )
        try:
            filling = cls(process, *_pipes(process))
            await filling._say([url, master_keys.to_text()])
            yield filling
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def fill(self, stretch: Stretch) -> AsyncIterator[Filled]:
        """As `projections.rebuild.filling.fill` does. Raises StoreError, also when the process ended."""
        await self._say(tuple(stretch))
        while (said := await self._hear()) is not None:
            yield Filled(*said)

    async def _say(self, what: object) -> None:
        with suppress(ConnectionError):  # that it ended shows in what it says
            self._to_it.write(orjson.dumps(what) + b"\n")
            await self._to_it.drain()

    async def _hear(self) -> tuple[int, list[str]] | None:
        """What was filled; None at the end of a stretch."""
        line = await self._from_it.readline()
        if not line:
            raise StoreError(f"a process that filled ended with status {await self._process.wait()}")
        said = orjson.loads(line)
        if "failed" in said:
            raise StoreError(said["failed"])
        return (said["events"], said["parked"]) if "events" in said else None


def _pipes(process: Process) -> tuple[StreamWriter, StreamReader]:
    if process.stdin is None or process.stdout is None:
        raise StoreError("a process that fills has no pipes")
    return process.stdin, process.stdout


async def _child() -> None:
    loop = asyncio.get_running_loop()
    lines = StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin.buffer)
    url, keys = orjson.loads(await lines.readline())
    async with Database.connect(url, size=CONNECTIONS, settings=SETTINGS) as database:
        listening = asyncio.create_task(lines.readline())
        while line := await listening:
            listening = asyncio.create_task(lines.readline())
            filling = asyncio.create_task(_fill(database, MasterKeys.from_text(keys), line))
            await asyncio.wait([filling, listening], return_when=asyncio.FIRST_COMPLETED)
            if not filling.done():  # nothing is said meanwhile: whoever asked is gone
                filling.cancel()
            with suppress(asyncio.CancelledError):
                await filling


async def _fill(database: Database, master_keys: MasterKeys, line: bytes) -> None:
    try:
        async for filled in fill(database, master_keys, Stretch(*orjson.loads(line))):
            _tell(filled._asdict())
    except StoreError as error:
        _tell({"failed": str(error)})
    else:
        _tell({})


def _tell(what: dict[str, object]) -> None:
    sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    settle_memory()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_child())
