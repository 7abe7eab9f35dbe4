"""Which ledgers there are, and how many events they have together. Out: merchants' ids, a number."""

from __future__ import annotations

from collections.abc import AsyncIterator

from events.queries import COUNT_EVENTS, NEXT_LEDGER
from events.reader import Reader


async def count_events(reader: Reader, merchant_id: str | None) -> int:
    """How many events there are, by the heads of one merchant or of all."""
    events: int = (await reader.fetch(COUNT_EVENTS, merchant_id))[0]["events"]
    return events


async def each_ledger(reader: Reader) -> AsyncIterator[str]:
    """Every merchant that is known, or has events though it is not known."""
    merchant_id = ""
    while (found := (await reader.fetch(NEXT_LEDGER, merchant_id))[0]["id"]) is not None:
        merchant_id = found
        yield merchant_id
