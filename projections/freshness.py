"""Freshness: wait until a merchant's events are in the customers read model.

In: the merchant, and how long to wait at most. Out: whether all that was stored when the wait began is
there. Nobody waits for what comes later, nor where nothing is behind.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from events.database import Database
from projections.customers import NAME
from projections.queries import PLACE_OF

LOOK_SECONDS = 0.01


async def caught_up(database: Database, merchant_id: str, seconds: float) -> bool:
    """Whether the read model has, within so many seconds, all that is stored now. Raises StoreError."""
    deadline = monotonic() + seconds
    head, position = await _place(database, merchant_id)
    while position < head:
        if monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_SECONDS)
        _, position = await _place(database, merchant_id)
    return True


async def _place(database: Database, merchant_id: str) -> tuple[int, int]:
    row = (await database.fetch(PLACE_OF, NAME, merchant_id))[0]
    return row["head"], row["position"]
