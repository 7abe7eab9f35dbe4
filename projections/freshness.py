"""Freshness: wait until a merchant's events are in the customers read model.

In: the merchant, and how long to wait at most. Out: whether all that was stored when the wait began is
there. Nobody waits for what comes later, nor where nothing is behind. All who look at one moment share one
statement, on a connection of their own: waiting takes nothing from others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import NamedTuple

from events.batching import Batcher, Fifo
from events.database import KEYED_LOOKUPS, Connection
from projections.customers import NAME
from projections.queries import PLACES_OF

FIRST_LOOK_SECONDS = 0.005
LAST_LOOK_SECONDS = 0.1
LOOKS_AT_ONCE = 256


class Places(NamedTuple):
    """How far a merchant's ledger goes, and how far the read model has come in it."""

    head: int
    position: int


class Freshness:
    """Waits. Make one with `open`."""

    def __init__(self, looks: Batcher[str, Places]) -> None:
        self._looks = looks

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, room: int) -> AsyncIterator[Freshness]:
        """With a connection of its own, for a block. `room`: how many may look at one moment."""
        connection = Connection(url, KEYED_LOOKUPS)

        async def look(merchant_ids: list[str]) -> list[Places]:
            rows = await connection.fetch(PLACES_OF, NAME, merchant_ids)
            return [Places(row["head"], row["position"]) for row in rows]

        looks: Batcher[str, Places] = Batcher(Fifo(room), [look], most=LOOKS_AT_ONCE)
        looks.start()
        try:
            yield cls(looks)
        finally:
            await looks.stop()
            await connection.close()

    async def caught_up(self, merchant_id: str, seconds: float) -> bool:
        """Whether the read model has, within so many seconds, all that is stored now. Raises StoreError."""
        deadline = monotonic() + seconds
        head, position = await self._looks.ask(merchant_id)
        pause = FIRST_LOOK_SECONDS
        while position < head:
            if monotonic() > deadline:
                return False
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_LOOK_SECONDS)
            _, position = await self._looks.ask(merchant_id)
        return True
