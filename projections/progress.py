"""How far a projection has come in each merchant's ledger: a position, and the ledger's hash there.

In: a transaction. Out: the places, locked in order until it ends, so that two workers never apply the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from events.database import Database
from projections.queries import BEGIN_PROGRESS, LOCK_PROGRESS, MOVE_PROGRESS


class Place(NamedTuple):
    """After the event at this position, which has this hash; position 0 is before the first."""

    position: int
    hash: bytes


async def lock_places(
    transaction: Database.Transaction, projection: str, merchant_ids: Iterable[str]
) -> dict[str, Place]:
    """The places in these merchants' ledgers, for us alone to move; unknown merchants have none."""
    ids = list(merchant_ids)
    await transaction.fetch(BEGIN_PROGRESS, projection, ids)
    rows = await transaction.fetch(LOCK_PROGRESS, projection, ids)
    return {row["merchant_id"]: Place(row["position"], row["hash"]) for row in rows}


async def move(transaction: Database.Transaction, projection: str, places: Mapping[str, Place]) -> None:
    """Go on to these places."""
    if places:
        columns = zip(*places.values(), strict=True)
        await transaction.fetch(
            MOVE_PROGRESS, projection, list(places), *[list(column) for column in columns]
        )
