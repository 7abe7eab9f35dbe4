"""Replay: a merchant's customers from all their events, one customer after another.

In: a merchant, perhaps one customer, perhaps a moment until which. Out: batches of customers as they were
then. Events are read in pages, each a short transaction, and the next page is on its way while one is folded;
memory does not grow with their number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from events.customer import Customer
from events.database import Row
from events.errors import StoreError
from events.folding import Stored, advance
from events.loading import LATEST, open_data_key
from events.master_keys import MasterKeys
from events.queries import REPLAY_PAGE
from events.reader import Reader
from events.sealing import DataKey

PAGE = 2000
"""Events read at once."""
FIRST, LAST = "", "~"
"""Below and above every customer's id."""


Tell = Callable[[int], None]
"""Is told how many more events are done."""


class Replayed(NamedTuple):
    """A customer after its events, or after those before the first that cannot be read, and why that is."""

    customer_id: str
    customer: Customer | None
    error: StoreError | None


class Batch(NamedTuple):
    """The customers that a page brought to their end, how many events it had, and whether it is the last."""

    customers: list[Replayed]
    events: int
    is_last: bool


class _Span(NamedTuple):
    """Which events: those of customers from the place (a customer, a version of it) to the last customer."""

    first: str
    last: str
    version: int
    until: int


async def replay(
    reader: Reader,
    merchant_id: str,
    master_keys: MasterKeys,
    *,
    customer_id: str | None = None,
    above: str = FIRST,
    up_to: str = LAST,
    until: int = LATEST,
) -> AsyncIterator[Batch]:
    """The merchant's customers in the order of their ids: one, or those above an id and up to another.

    Who has no events until then is left out.
    """
    folding = _Folding(merchant_id, master_keys)
    if customer_id is not None:
        span = _Span(customer_id, customer_id, 0, until)
    else:
        span = _Span(above, up_to, LATEST, until)  # of the customer itself that we begin above, nothing
    page = PAGE
    rows = await _read(reader, merchant_id, span, page)
    while len(rows) == page:
        end = rows[-1]
        span = span._replace(first=end["customer_id"], version=end["originator_version"] or LATEST)
        following = asyncio.create_task(_read(reader, merchant_id, span, page))
        try:
            yield folding.batch(rows)
            rows = await following
        finally:
            following.cancel()
    yield folding.batch(rows, is_last=True)


async def _read(reader: Reader, merchant_id: str, span: _Span, page: int) -> list[Row]:
    return await reader.fetch(REPLAY_PAGE, merchant_id, *span, page)


class _Folding:
    """Folds page after page; a customer at the end of one may go on in the next."""

    def __init__(self, merchant_id: str, master_keys: MasterKeys) -> None:
        self._merchant_id = merchant_id
        self._master_keys = master_keys
        self._open: Replayed | None = None
        self._data_key: DataKey | None = None

    def batch(self, rows: Sequence[Row], *, is_last: bool = False) -> Batch:
        """The customers that are complete with these rows."""
        complete: list[Replayed] = []
        events = 0
        for customer_id, group in groupby(rows, itemgetter("customer_id")):
            own = [row for row in group if row["originator_version"] is not None]
            if self._open is not None and self._open.customer_id != customer_id:
                complete.append(self._open)
                self._open = None
            if own:
                events += len(own)
                self._open = self._fold(customer_id, own, self._open)
        if is_last and self._open is not None:
            complete.append(self._open)
        return Batch(complete, events, is_last)

    def _fold(self, customer_id: str, rows: Sequence[Row], begun: Replayed | None) -> Replayed:
        if begun is not None and begun.error is not None:
            return begun
        customer = begun.customer if begun is not None else None
        try:
            if begun is None:
                self._data_key = open_data_key(self._master_keys, self._merchant_id, customer_id, rows[0])
            for row in rows:
                customer = advance(customer, Stored(customer_id, *row[3:7]), self._data_key)
        except StoreError as error:
            return Replayed(customer_id, customer, error)
        return Replayed(customer_id, customer, None)
