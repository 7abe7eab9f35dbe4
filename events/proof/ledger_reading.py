"""Reading a ledger: page by page, each in a short transaction, the next one while one is looked at.

In: a merchant, and the positions to read between. Out: its rows as `verification.py` follows them; never more
than two pages in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterator
from typing import NamedTuple

from events.database import Database, Row
from events.proof.merkle import Tree
from events.proof.verification import Break, Place, follow
from events.queries import LEDGER_ENDS, LEDGER_RANGE

PAGE = 2000
"""Events a query."""
PIECE = 250
"""Events at a time, about two milliseconds: in between the socket is emptied, and others have their turn."""


class Ends(NamedTuple):
    """A merchant's head (None: there is no such merchant), and the first and last position of its events."""

    head: Place | None
    epoch: int
    first_position: int
    last_position: int


async def read_ends(database: Database, merchant_id: str) -> Ends:
    """All of one moment, so that appends meanwhile do no harm."""
    row = (await database.fetch(LEDGER_ENDS, merchant_id))[0]
    head = None if row["position"] is None else Place(row["position"], row["recorded_at"], row["hash"])
    return Ends(head, row["epoch"] or 0, row["first_position"] or 0, row["last_position"] or 0)


async def walk(
    database: Database,
    merchant_id: str,
    place: Place,
    until: int,
    tree: Tree | None = None,
    stops: Collection[int] = (),
) -> AsyncGenerator[Place, None]:
    """Follow a ledger to a position, telling the places reached, those at `stops` among them.

    Raises Break, StoreUnavailable.
    """
    pages = read_pages(database, merchant_id, place.position, until)
    try:
        async for last, rows in pages:
            for piece in pieces(rows, stops):
                place = follow(place, piece, tree)
                await asyncio.sleep(0)
                if place.position in stops:
                    yield place
            if place.position < last:
                raise Break(place, None)
            if place.position not in stops:
                yield place
    finally:
        await pages.aclose()


async def read_pages(
    database: Database, merchant_id: str, after: int, until: int
) -> AsyncGenerator[tuple[int, list[Row]], None]:
    """Rows beyond one position up to another: each page with the last position that it may have."""
    if after >= until:
        return

    def begin(first: int) -> asyncio.Task[list[Row]]:
        last = min(first + PAGE, until)
        return asyncio.create_task(database.fetch(LEDGER_RANGE, merchant_id, first, last))

    fetching = begin(after)
    try:
        for first in range(after, until, PAGE):
            rows = await fetching
            if first + PAGE < until:
                fetching = begin(first + PAGE)
            yield min(first + PAGE, until), rows
    finally:
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)


def pieces(rows: list[Row], stops: Collection[int]) -> Iterator[list[Row]]:
    """The rows, a few at a time; one at a stop is the last of its piece."""
    piece: list[Row] = []
    for row in rows:
        piece.append(row)
        if len(piece) == PIECE or row[0] in stops:
            yield piece
            piece = []
    if piece:
        yield piece
