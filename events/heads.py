"""Heads of ledgers, watched for those who wait for the next event: one statement for all of them.

In: merchants that somebody waits for. Out: wake-ups, once a ledger's head is another one. Nothing is asked
while nobody waits. NOTIFY would be sooner, but takes a lock at commit that all writers of the cluster share.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

import structlog

from events.database import KEYED_LOOKUPS, Connection
from events.errors import StoreError
from events.feed import Head
from events.queries import FEED_HEADS
from events.reader import Reader

LOOK_SECONDS = 0.05
PAUSE_SECONDS = 0.5
"""After a failure: those who wait go on waiting."""

log = structlog.get_logger(__name__)

Place = tuple[str, Head]
Waiters = set["asyncio.Future[Head]"]


class Heads:
    """Who waits for which ledger to move. Make one with `Heads.open`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._waiting: dict[Place, Waiters] = {}
        self._looking: asyncio.Task[None] | None = None
        self._stopped = False

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        """Watched over one connection, which is opened once somebody waits."""
        connection = Connection(url, KEYED_LOOKUPS)
        heads = cls(connection)
        try:
            yield heads
        finally:
            heads.let_go()
            if heads._looking is not None:
                heads._looking.cancel()
                with suppress(asyncio.CancelledError):
                    await heads._looking
            await connection.close()

    async def moved(self, merchant_id: str, head: Head) -> Head:
        """The ledger's head, once it is another one than this; the same one if no more waiting is to be."""
        if self._stopped:
            return head
        place = (merchant_id, head)
        waiters = self._waiting.setdefault(place, set())
        waiter: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        waiters.add(waiter)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            return await waiter
        finally:
            waiters.discard(waiter)
            if not waiters and self._waiting.get(place) is waiters:
                del self._waiting[place]

    def let_go(self) -> None:
        """Let nobody wait any more."""
        self._stopped = True
        for place in list(self._waiting):
            self._wake(place, place[1])

    async def _look(self) -> None:
        while self._waiting:
            pause = LOOK_SECONDS
            try:
                await self._compare()
            except StoreError as error:
                log.warning("heads_unknown", reason=str(error))
                pause = PAUSE_SECONDS
            await asyncio.sleep(pause)

    async def _compare(self) -> None:
        # Who comes while the statement is under way may know more than its answer.
        places = list(self._waiting)
        rows = await self._reader.fetch(FEED_HEADS, list({merchant_id for merchant_id, _ in places}))
        heads = {row["id"]: Head(row["position"], row["epoch"]) for row in rows}
        for place in places:
            merchant_id, known = place
            head = heads.get(merchant_id, known)
            if head != known:
                self._wake(place, head)

    def _wake(self, place: Place, head: Head) -> None:
        for waiter in self._waiting.pop(place, ()):
            if not waiter.done():
                waiter.set_result(head)
