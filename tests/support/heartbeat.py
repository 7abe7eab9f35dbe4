"""A well-behaved client beside an attack: it reads without a pause, and notes how long each read took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.api import Client


@dataclass
class Heartbeat:
    """Seconds that each request took."""

    seconds: list[float] = field(default_factory=list)

    def p99(self) -> float:
        """What 99 of 100 requests did not exceed, in seconds."""
        assert self.seconds
        return sorted(self.seconds)[len(self.seconds) * 99 // 100]


@asynccontextmanager
async def heartbeat(client: Client, customer_id: str) -> AsyncIterator[Heartbeat]:
    """Read the customer again and again for the length of the block; each read has to succeed."""
    record, stop = Heartbeat(), asyncio.Event()

    async def beat() -> None:
        began = time.perf_counter()
        answer = await client.get(customer_id)
        record.seconds.append(time.perf_counter() - began)
        assert answer.status == 200, answer.body

    async def beat_on() -> None:
        while not stop.is_set():
            await beat()

    await beat()
    async with asyncio.TaskGroup() as group:
        group.create_task(beat_on())
        try:
            yield record
        finally:
            stop.set()
