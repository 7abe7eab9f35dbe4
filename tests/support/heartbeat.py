"""A well-behaved client beside an attack: it reads without a pause, and notes how long each read took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.api import Client

HARMLESS_SECONDS, HARMLESS_TIMES = 0.25, 10
READS = 200


@dataclass
class Heartbeat:
    """Reads of one customer, in seconds each."""

    client: Client
    customer_id: str
    seconds: list[float] = field(default_factory=list)

    async def beat(self) -> None:
        """Read once, with success."""
        began = time.perf_counter()
        answer = await self.client.get(self.customer_id)
        self.seconds.append(time.perf_counter() - began)
        assert answer.status == 200, answer.body

    def p99(self) -> float:
        """What 99 of 100 reads did not exceed."""
        return sorted(self.seconds)[len(self.seconds) * 99 // 100]


async def bearable(client: Client, customer_id: str) -> float:
    """What a p99 beside an attack must not exceed, by what it is without one on this machine now."""
    alone = Heartbeat(client, customer_id)
    for _ in range(READS):
        await alone.beat()
    return max(HARMLESS_SECONDS, HARMLESS_TIMES * alone.p99())


@asynccontextmanager
async def heartbeat(client: Client, customer_id: str) -> AsyncIterator[Heartbeat]:
    """Read the customer again and again for the length of the block; each read has to succeed."""
    record, stop = Heartbeat(client, customer_id), asyncio.Event()

    async def beat_on() -> None:
        while not stop.is_set():
            await record.beat()

    await record.beat()
    async with asyncio.TaskGroup() as group:
        group.create_task(beat_on())
        try:
            yield record
        finally:
            stop.set()
