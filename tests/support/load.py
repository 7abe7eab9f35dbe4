"""Clients that write and read without a pause, and keep a record of what they were told.

In: a client. Out: `Load`: each writer creates customers, changes and reads them, and repeats under the same
key what got 503 or no answer, as the contract tells clients to. Afterwards it says whether the store agrees.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from tests.support.api import Answer, Client
from tests.support.deployment import Deployment

CHANGES = 3
AGAIN_SECONDS = 0.02  # sooner than Retry-After says: a test of seconds counts how soon the service is back

Send = Callable[[Client], Awaitable[Answer]]


@dataclass
class Load:
    """`client` may be replaced while it runs: what is sent or repeated from then on goes there."""

    client: Client
    name: str = "load"
    """Part of every email and key: two loads of one merchant differ in it."""
    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0
    """Requests whose connection broke."""
    without_retry_after: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    """The last acknowledged version of each customer."""
    written: int = 0
    backwards: list[str] = field(default_factory=list)
    """Reads that were behind what had been acknowledged before them."""
    _progress: asyncio.Condition = field(default_factory=asyncio.Condition)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def running(self, writers: int) -> AsyncIterator[None]:
        """Write for the length of the block, then until the last request has its answer."""
        async with asyncio.TaskGroup() as group:
            for number in range(writers):
                group.create_task(self._write(number))
            try:
                yield
            finally:
                self._stop.set()

    async def has_written(self, more: int, seconds: float = 20.0) -> None:
        """Return once so many more writes are acknowledged than are now."""
        wanted = self.written + more
        async with asyncio.timeout(seconds), self._progress:
            await self._progress.wait_for(lambda: self.written >= wanted)

    async def has_seen(self, status: int, seconds: float = 20.0) -> None:
        """Return once there has been one more answer of this status."""
        wanted = self.statuses[status] + 1
        async with asyncio.timeout(seconds), self._progress:
            await self._progress.wait_for(lambda: self.statuses[status] >= wanted)

    async def is_stored_once(self, deployment: Deployment) -> None:
        """Assert that the store has each acknowledged version of each customer, and nothing else."""
        rows = await deployment.operator.select(
            "SELECT originator_id AS id, array_agg(originator_version ORDER BY position) AS versions "
            "FROM events.customer_events WHERE merchant_id = $1 GROUP BY originator_id",
            deployment.merchant_id,
        )
        stored = {row["id"]: row["versions"] for row in rows}
        assert stored == {id_: list(range(1, last + 1)) for id_, last in self.versions.items()}
        assert self.backwards == []
        assert self.without_retry_after == 0

    def take_over(self, other: Load) -> None:
        """Answer for what another load wrote, too."""
        self.versions |= other.versions
        self.backwards += other.backwards
        self.without_retry_after += other.without_retry_after

    async def _write(self, writer: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            await self._one_customer(f"{self.name}-{writer}-{number}")

    async def _one_customer(self, name: str) -> None:
        def create(client: Client) -> Awaitable[Answer]:
            return client.create({"Idempotency-Key": name}, email=f"{name}@example.com", name=name)

        customer_id = (await self._write_until_acknowledged(create)).json()["id"]
        for change in range(CHANGES):

            def patch(client: Client, change: int = change) -> Awaitable[Answer]:
                key = {"Idempotency-Key": f"{name}-{change}"}
                return client.patch(customer_id, key, metadata={"change": str(change)})

            await self._write_until_acknowledged(patch)
            read = await self._until_acknowledged(lambda client: client.get(customer_id))
            if read.version < self.versions[customer_id]:
                self.backwards.append(f"{customer_id}: {read.version} after {self.versions[customer_id]}")

    async def _write_until_acknowledged(self, send: Send) -> Answer:
        answer = await self._until_acknowledged(send)
        async with self._progress:
            self.versions[answer.json()["id"]] = answer.version
            self.written += 1
            self._progress.notify_all()
        return answer

    async def _until_acknowledged(self, send: Send) -> Answer:
        while True:
            try:
                answer = await send(self.client)
            except aiohttp.ClientConnectionError:
                self.unanswered += 1
            else:
                await self._count(answer)
                if answer.status != 503:
                    assert answer.status in (200, 201), answer
                    return answer
            await asyncio.sleep(AGAIN_SECONDS)

    async def _count(self, answer: Answer) -> None:
        async with self._progress:
            self.statuses[answer.status] += 1
            self.without_retry_after += answer.status == 503 and "Retry-After" not in answer.headers
            self._progress.notify_all()
