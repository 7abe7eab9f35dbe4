"""The sweep: read models converge with the store itself, whatever became of any message.

In: merchants whose ledger is ahead of a projection. Out: their events applied, in pages; each page in one
transaction with the progress that it makes. An event is applied only if it follows the hash that the
projection stands at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from events.database import Database, Row
from events.errors import StoreError
from events.master_keys import MasterKeys
from projections import customers
from projections.queries import BEGIN_PROGRESS, LOCK_PROGRESS, MERCHANTS_BEHIND, MOVE_PROGRESS, NEXT_EVENTS

PAGE = 500
MERCHANTS = 100
IDLE_SECONDS = 0.1
TROUBLE_SECONDS = 1.0

log = structlog.get_logger(__name__)

Apply = Callable[[Database.Transaction, str, Sequence[Row], MasterKeys], Awaitable[None]]


class HistoryDiverged(StoreError):
    """A projection stands at a hash that the ledger never had: it followed events that are not there."""


async def run_sweep(database: Database, master_keys: MasterKeys, stop: asyncio.Event) -> None:
    """Sweep until told to stop. Trouble is logged and tried again."""
    while not stop.is_set():
        pause = IDLE_SECONDS
        try:
            if await sweep(database, master_keys):
                continue
        except StoreError as error:
            log.warning("sweep_failed", reason=str(error))
            pause = TROUBLE_SECONDS
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            continue


async def sweep(database: Database, master_keys: MasterKeys) -> int:
    """One round over the merchants that are behind; how many events were applied."""
    behind = await database.fetch(MERCHANTS_BEHIND, customers.NAME, MERCHANTS)
    applied = 0
    for row in behind:
        try:
            applied += await catch_up(database, row["id"], master_keys)
        except HistoryDiverged as error:  # one merchant's trouble keeps nobody else waiting
            log.critical("history_diverged", merchant_id=row["id"], reason=str(error))
    return applied


async def catch_up(
    database: Database,
    merchant_id: str,
    master_keys: MasterKeys,
    *,
    projection: str = customers.NAME,
    apply: Apply = customers.apply,
) -> int:
    """Apply one page of a merchant's events; how many. Raises HistoryDiverged, StoreError."""
    async with database.transaction() as transaction:
        await transaction.fetch(BEGIN_PROGRESS, projection, merchant_id)
        position, known_hash = (await transaction.fetch(LOCK_PROGRESS, projection, merchant_id))[0]
        page = await transaction.fetch(NEXT_EVENTS, merchant_id, max(position, 1), PAGE)
        if position > 0:
            if not page or page[0]["position"] != position or page[0]["hash"] != known_hash:
                raise HistoryDiverged(f"position {position} has another hash, or is gone")
            page = page[1:]
        if page:
            await apply(transaction, merchant_id, page, master_keys)
            await transaction.fetch(
                MOVE_PROGRESS, projection, merchant_id, page[-1]["position"], page[-1]["hash"]
            )
        return len(page)
