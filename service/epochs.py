"""Epochs: the histories that ledgers have had, as an operator counts them.

In: word that ledgers were restored. Out: a new epoch for each, which every message, checkpoint and answer of
the event feed carries from then on. What subscribers do then: `events/SUBSCRIBING.md`.
"""

from __future__ import annotations

from typing import NamedTuple

from events.database import Database
from service.queries import BEGIN_EPOCHS

REASON = "an operator said so"
MOST_AT_ONCE = 1000
"""By how much an epoch may rise at once; `events.raise_epochs` holds it."""


class Epoch(NamedTuple):
    """A ledger's epoch, the position that the ledger is at, and whether the epoch began just now."""

    merchant_id: str
    epoch: int
    position: int
    begun: bool


async def begin_epochs(database: Database, merchant_id: str | None, epoch: int | None) -> list[Epoch]:
    """Have one merchant's ledger, or all, begin a new epoch: the next one, or the one given.

    A ledger whose epoch began where the ledger still is, or is the one given or beyond, keeps it: asking
    twice does no harm. Needs the administrator's role.
    """
    return [Epoch(*row) for row in await database.fetch(BEGIN_EPOCHS, merchant_id, epoch, REASON)]
