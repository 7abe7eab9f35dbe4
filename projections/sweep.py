"""The sweep: the customers read model converges with the store itself, whatever became of any message.

In: merchants whose ledger is ahead of the projection. Out: their events applied, in pages; each page in one
transaction with the progress that it makes. Merchants take turns, and one in trouble rests for a while.
"""

from __future__ import annotations

import asyncio
from time import monotonic

import structlog

from events.database import Database
from events.errors import StoreBusy, StoreError, StoreUnavailable
from events.master_keys import MasterKeys
from events.supervision import supervised
from projections import customers
from projections.queries import MERCHANTS_BEHIND

MERCHANTS = 100
LOOK_SECONDS = 1.0
REST_SECONDS = 30.0

log = structlog.get_logger(__name__)


async def run_sweep(database: Database, master_keys: MasterKeys, *, patient: bool) -> None:
    """Sweep for as long as the task lives. `patient`: messages are expected to come first."""
    sweep = Sweep(database, master_keys, patient=patient)

    async def attempt() -> None:
        while True:
            if not await sweep.round():
                await asyncio.sleep(LOOK_SECONDS if patient else LOOK_SECONDS / 10)

    await supervised("sweep", attempt)


class Sweep:
    """Rounds over the merchants that are behind.

    A patient one takes on only those that nobody has brought forward since its last look: the others'
    messages are on their way.
    """

    def __init__(self, database: Database, master_keys: MasterKeys, *, patient: bool = False) -> None:
        self._database = database
        self._master_keys = master_keys
        self._patient = patient
        self._left: dict[str, int] = {}
        """Where we left the merchants that are behind, by position."""
        self._resting: dict[str, float] = {}

    async def round(self) -> int:
        """One turn of every merchant that is behind; how many events were applied. Raises StoreError."""
        applied, last_id = 0, ""
        left: dict[str, int] = {}
        while behind := await self._database.fetch(MERCHANTS_BEHIND, customers.NAME, last_id, MERCHANTS):
            for merchant_id, head, position in behind:
                stands_still = self._left.get(merchant_id) == position
                made = await self._turn(merchant_id) if stands_still or not self._patient else 0
                if position + made < head:
                    left[merchant_id] = position + made
                applied += made
            last_id = behind[-1]["id"]
        self._left = left
        return applied

    async def _turn(self, merchant_id: str) -> int:
        if self._resting.get(merchant_id, 0) > monotonic():
            return 0
        self._resting.pop(merchant_id, None)
        try:
            return await customers.catch_up(self._database, merchant_id, self._master_keys)
        except StoreUnavailable:
            raise
        except StoreBusy:  # a worker has it
            self._resting[merchant_id] = monotonic() + LOOK_SECONDS
            return 0
        except StoreError as error:  # one merchant's trouble keeps nobody else waiting
            self._resting[merchant_id] = monotonic() + REST_SECONDS
            log.critical("sweep_stuck", merchant_id=merchant_id, reason=str(error))
            return 0
