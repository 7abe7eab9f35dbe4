"""The feed: a merchant's events from its ledger, in the form in which the relay publishes them.

In: a merchant and a position. Out: pages of what came after it, ascending, without gaps; of erased customers
only that they were erased, and ids where their other events stood. A page is bounded in number and in bytes.
From the store alone: it is right without NATS.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from events.customer_key import key_of
from events.database import Row
from events.loading import LATEST
from events.master_keys import MasterKeys
from events.queries import ERASED_AMONG, FEED_PAGE
from events.reader import Reader
from events.wire.message import Message
from events.wire.outgoing import ERASURE_TOPIC, TURN, Outgoing, tells_of_erased

PAGE_BYTES = 1024 * 1024
"""Of messages on a page, unless one alone has more."""
STATE_BYTES = 512 * 1024
"""Of stored states that are read for a page."""
LOOKED_THROUGH = 20_000
"""Positions that are looked at for a page: who wants one type must not keep a ledger's reader for long."""
ANY_SIZE = 2**31  # bytes


class Head(NamedTuple):
    """Where a ledger ends (0: no event yet), and which history of it this is."""

    position: int
    epoch: int


class Item(NamedTuple):
    """One event as it leaves: its position, its name outside, and the object as JSON."""

    position: int
    name: str
    body: bytes


class Page(NamedTuple):
    """Events in order; everything up to `reached` was looked at. `head` is of the same moment."""

    items: list[Item]
    reached: int
    head: Head

    @property
    def has_more(self) -> bool:
        """Whether the ledger goes on beyond it."""
        return self.reached < self.head.position


class Feed:
    """Reads pages of ledgers."""

    def __init__(self, reader: Reader, master_keys: MasterKeys) -> None:
        self._reader = reader
        self._master_keys = master_keys

    async def page(
        self,
        merchant_id: str,
        after: int,
        limit: int,
        *,
        topics: Sequence[str] | None = None,
        until: int = LATEST,
        most_bytes: int = PAGE_BYTES,
    ) -> Page:
        """At most `limit` events of these topics (None: of all) beyond `after`, up to `until`.

        Beyond the head there is nothing: then `reached` is `after`. Raises StoreUnavailable.
        """
        last = min(until, after + LOOKED_THROUGH)
        while True:
            rows = await self._reader.fetch(
                FEED_PAGE, merchant_id, after, last, topics, limit, min(STATE_BYTES, most_bytes)
            )
            head = Head(rows[0]["head"], rows[0]["epoch"])
            found = [row for row in rows if row["position"] is not None]
            items = await self._items(found, most_bytes)
            # As late as can be: who was erased since the rows were read must not leave.
            if not await self._any_erased(found[: len(items)]):
                break
        is_whole = len(items) == len(found) < limit and (not found or found[0]["within"] == len(found))
        if is_whole:
            return Page(items, max(after, min(last, head.position)), head)
        return Page(items, items[-1].position, head)

    async def _items(self, rows: Sequence[Row], most_bytes: int) -> list[Item]:
        """The events of these rows, as many as the bytes allow and one at least."""
        outgoing = Outgoing(self._reader, self._master_keys, ANY_SIZE)
        items: list[Item] = []
        size = 0
        for first in range(0, len(rows), TURN):
            turn = rows[first : first + TURN]
            for row, message in zip(turn, await outgoing.all_messages(turn), strict=True):
                size += len(message.body)
                if items and size > most_bytes:
                    return items
                items.append(_item(row, message))
        return items

    async def _any_erased(self, rows: Iterable[Row]) -> bool:
        """Whether one of those whose values were opened was erased meanwhile."""
        told = {key_of(row) for row in rows if row["topic"] != ERASURE_TOPIC and not tells_of_erased(row)}
        if not told:
            return False
        merchant_ids, customer_ids = zip(*told, strict=True)
        return bool(await self._reader.fetch(ERASED_AMONG, merchant_ids, customer_ids))


def _item(row: Row, message: Message) -> Item:
    return Item(row["position"], message.headers["ce-type"], message.body)
