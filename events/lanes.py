"""Lanes: concurrent appends share a commit.

In: one command at a time, from every request. Out: its outcome. A lane is a connection with a queue; a
merchant always has the same lane, in every process, so lanes never wait for each other's ledgers. While
one batch commits, the next gathers.

In doubt (connection lost, no answer) a lane submits the identical batch again: `events.append` says
`already` for what was written, or writes it now. Looking the rows up instead would be wrong both ways: the
first attempt may still commit later, and the row found may be another process's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from time import monotonic
from zlib import crc32

from events.batching import Batcher, Waiting
from events.command import Append, Outcome
from events.database import KEYED_LOOKUPS, Connection
from events.errors import StatementFailed, StoreBusy, StoreError, StoreUnavailable
from events.queries import APPEND, LOCK_HASTILY, LOCK_PATIENTLY
from events.statements import Statement

BATCH = 256
LOCK_TIMEOUT = "300ms"
SLOW_SECONDS = 2.0
FIRST_PAUSE_SECONDS = 0.02
LAST_PAUSE_SECONDS = 0.5

_merchant = attrgetter("merchant_id")


class FairQueue:
    """Commands waiting, a line for each merchant; batches take from the lines in turn."""

    def __init__(self, room: int, share: int) -> None:
        """`room`: commands that may wait in all; `share`: of one merchant."""
        self._room = room
        self._share = share
        self._lines: dict[str, deque[Waiting[Append, Outcome]]] = {}
        self._count = 0

    def put(self, waiting: Waiting[Append, Outcome]) -> None:
        """Let one wait. Raises StoreBusy when its merchant, or all together, have too many waiting."""
        line = self._lines.setdefault(waiting[0].merchant_id, deque())
        if self._count >= self._room or len(line) >= self._share:
            raise StoreBusy("too many changes are waiting to be written")
        line.append(waiting)
        self._count += 1

    def take(self, most: int) -> list[Waiting[Append, Outcome]]:
        """The next batch, one of each merchant in turn, then grouped by merchant."""
        taken: list[Waiting[Append, Outcome]] = []
        while self._lines and len(taken) < most:
            merchant_id, line = next(iter(self._lines.items()))
            del self._lines[merchant_id]
            if line:
                taken.append(line.popleft())
            if line:
                self._lines[merchant_id] = line  # back to the end
        self._count -= len(taken)
        return sorted(taken, key=lambda waiting: waiting[0].merchant_id)

    def __len__(self) -> int:
        return self._count


class Lane:
    """One connection's way of writing batches."""

    def __init__(self, url: str, deadline: float) -> None:
        """`deadline`: seconds after which an unreachable database is admitted to the askers."""
        self._connection = Connection(url, {**KEYED_LOOKUPS, "lock_timeout": LOCK_TIMEOUT})
        self._deadline = deadline
        self._down_since: float | None = None
        self._in_doubt = False
        self.slow: dict[str, float] = {}
        """Merchants whose ledgers are locked by others, and until when they count as such."""

    async def write(self, commands: list[Append]) -> Sequence[Outcome | Exception]:
        """The outcome of each command of a batch."""
        self._in_doubt = False
        return await self._write(commands)

    async def _write(self, commands: list[Append]) -> Sequence[Outcome | Exception]:
        """A batch that fails as a whole is tried in parts."""
        try:
            return await self._submit(commands)
        except StoreUnavailable as error:
            return [error] * len(commands)
        except StoreBusy as error:
            return await self._write_by_merchant(commands, error)
        except StatementFailed as error:
            if len(commands) == 1:
                return [self._refusal(error)]
            return [outcome for command in commands for outcome in await self._write([command])]

    async def _write_by_merchant(
        self, commands: list[Append], error: StoreBusy
    ) -> Sequence[Outcome | Exception]:
        """One locked ledger must not delay the others of its batch; several must not add up."""
        parts = [list(part) for _, part in groupby(commands, _merchant)]
        if len(parts) == 1:
            self.slow[commands[0].merchant_id] = monotonic() + SLOW_SECONDS
            return [self._refusal(error)] * len(commands)
        await self._set(LOCK_HASTILY)
        outcomes = [outcome for part in parts for outcome in await self._write(part)]
        await self._set(LOCK_PATIENTLY)
        return outcomes

    def _refusal(self, error: StoreError) -> StoreError:
        """An earlier attempt may have been written: then nobody may be told that nothing was."""
        return StoreUnavailable(f"in doubt, then {error}") if self._in_doubt else error

    async def _set(self, statement: Statement) -> None:
        with suppress(StoreUnavailable):  # a new connection begins with the usual settings
            await self._connection.fetch(statement)

    async def _submit(self, commands: list[Append]) -> list[Outcome]:
        pause = FIRST_PAUSE_SECONDS
        began = monotonic()
        while True:
            try:
                rows = await self._connection.fetch(APPEND, commands)
            except StoreUnavailable:
                self._in_doubt = True
                self._down_since = self._down_since or began
                if monotonic() - self._down_since > self._deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE_SECONDS)
            else:
                self._down_since = None
                return [Outcome(*row) for row in rows]

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


class Lanes:
    """All lanes of a process, and one more for merchants whose ledgers are locked by others."""

    def __init__(self, url: str, *, lanes: int, room: int, deadline: float) -> None:
        self._lanes = [Lane(url, deadline) for _ in range(lanes + 1)]
        share = max(1, room // 4)
        self._batchers = [Batcher(FairQueue(room, share), [lane.write], most=BATCH) for lane in self._lanes]

    def start(self) -> None:
        """Begin to work, on the running loop."""
        for batcher in self._batchers:
            batcher.start()

    async def stop(self) -> None:
        """End; what waits is refused."""
        for batcher in self._batchers:
            await batcher.stop()
        for lane in self._lanes:
            await lane.close()

    def append(self, command: Append) -> asyncio.Future[Outcome]:
        """The outcome of this command. Raises StoreBusy, StoreUnavailable, StatementFailed."""
        number = crc32(command.merchant_id.encode()) % (len(self._lanes) - 1)
        slow = self._lanes[number].slow
        if slow and slow.get(command.merchant_id, 0) > monotonic():
            number = -1
        return self._batchers[number].ask(command)
