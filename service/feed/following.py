"""Following: pages of the feed as they come, for everybody who waits for the next event.

In: what is wanted, and the page before. Out: the next page, once there is more. Nobody holds a connection to
the database meanwhile, and who stands at the same place shares what is read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from events.feed import Feed, Head, Page
from events.heads import Heads
from service.errors import Overloaded
from service.feed.sharing import Shared

READS_AT_ONCE = 2
"""Of those who follow; requests have the other connections."""


class Wanted(NamedTuple):
    """Which events of whom (None: of all types), and how many and how many bytes of them on a page."""

    merchant_id: str
    topics: tuple[str, ...] | None
    limit: int
    most_bytes: int


class Followers:
    """Those who follow, in this process."""

    def __init__(self, feed: Feed, heads: Heads, most: int) -> None:
        """`most`: how many may follow, half of them of one merchant; others need connections, too."""
        self._most = most
        self._most_of_one = max(1, most // 2)
        self._following: Counter[str] = Counter()
        self._feed = feed
        self._heads = heads
        self._turns = asyncio.Semaphore(READS_AT_ONCE)
        self._pages: Shared[Page] = Shared(self._turns)
        self._encoded: Shared[tuple[Page, bytes]] = Shared(self._turns)

    @contextmanager
    def one(self, merchant_id: str) -> Iterator[None]:
        """One that follows, for a block. Raises Overloaded: no more may, or no more of this merchant."""
        following = self._following
        if following.total() >= self._most or following[merchant_id] >= self._most_of_one:
            raise Overloaded
        following[merchant_id] += 1
        try:
            yield
        finally:
            following[merchant_id] -= 1
            if not following[merchant_id]:
                del following[merchant_id]

    async def first_page(self, wanted: Wanted, after: int) -> Page:
        """What there is beyond a position. All who were cut off may come back at once: they take turns.

        It is read after it was asked for, so whoever knows of an event finds it. Raises StoreUnavailable.
        """
        async with self._turns:
            return await self._feed.page(
                wanted.merchant_id, after, wanted.limit, topics=wanted.topics, most_bytes=wanted.most_bytes
            )

    async def next_page(self, wanted: Wanted, page: Page) -> Page:
        """What comes after this page, which may be nothing that is wanted, or nothing at a stop.

        Raises StoreUnavailable.
        """
        head = await self._moved(wanted, page)
        # With the head that is known: what is read for it has all that whoever shares it may expect.
        return await self._pages.get((wanted, page.reached, head), lambda: self._read(wanted, page, head))

    async def next_encoded(
        self, wanted: Wanted, page: Page, encode: Callable[[Page], bytes]
    ) -> tuple[Page, bytes]:
        """The same with what `encode`, which is always the same, makes of it."""
        head = await self._moved(wanted, page)

        async def make() -> tuple[Page, bytes]:
            following = await self._read(wanted, page, head)
            return following, encode(following)

        return await self._encoded.get((wanted, page.reached, head), make)

    def let_go(self) -> None:
        """Let nobody wait any more."""
        self._heads.let_go()

    async def _moved(self, wanted: Wanted, page: Page) -> Head:
        """A head beyond this page; the same one at a stop."""
        return page.head if page.has_more else await self._heads.moved(wanted.merchant_id, page.head)

    async def _read(self, wanted: Wanted, page: Page, head: Head) -> Page:
        return await self._feed.page(
            wanted.merchant_id,
            page.reached,
            wanted.limit,
            topics=wanted.topics,
            until=head.position,
            most_bytes=wanted.most_bytes,
        )
