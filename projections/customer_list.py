"""Lists out of the customers read model: pages by keyset, newest first, in both directions, and totals.

In: filters, and a span of creation to look in. Out: rows, whose bodies are the answer's JSON already.

No two customers of a merchant are created in one microsecond (`events.append` sees to it). So cursors,
filters on `created` and what is still to be read of a list are all spans of creation.

Who matches may be common or rare, or common among the old ones alone, which no statistics tell. So a page
looks at those nearest first, by order of creation, and asks the indexes of the filters only for what is
beyond: the one finds soon what is common, the other what is rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from events.database import Database, Row
from events.statements import Statement
from projections.customers import CustomerRow, row_terms
from projections.queries import (
    COUNT,
    EDGE_NEWER,
    EDGE_OLDER,
    PAGE_NEWER,
    PAGE_OLDER,
    SEARCH,
)
from projections.search_terms import WantedTerms

# The planner must see the values: which index is good depends on them, and filters that were not given
# vanish. No page is worth a look at every customer. What lists read is mostly in memory.
LIST_SETTINGS = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}

NEAREST = (500, 5_000, 20_000)
"""How many customers are looked at, step by step, before an index of the filters is asked.

5,000 of them take about a millisecond, as do some hundred scattered ones that an index has found. The next
step is made where this one lets expect that it fills the page.
"""

NEAREST_BY_WORDS = NEAREST[1:]
"""The same where words are wanted: those that many have are dear to find together."""

MOST_COUNTED = 10_000

Span = tuple[int, int]
"""From one moment until another, both inclusive, in µs since 1970."""

EARLIEST, LATEST = 0, 2**62
"""Moments (µs) between which everything happens."""

ALWAYS: Span = (EARLIEST, LATEST)


class Filters(NamedTuple):
    """What customers have in common. `deleted`: tombstones too, which match if nothing but times is asked."""

    created: Span = ALWAYS
    updated: Span = ALWAYS
    terms: WantedTerms = WantedTerms()
    deleted: bool = False

    def match(self, merchant_id: str, row: CustomerRow) -> bool:
        """Whether a live customer's row matches."""
        return (
            self.created[0] <= row.created_at <= self.created[1]
            and self.updated[0] <= row.updated_at <= self.updated[1]
            and self.terms.match(row_terms(merchant_id, row))
        )

    @property
    def kinds(self) -> tuple[bool, ...]:
        """The values of `deleted` that rows may have."""
        return (False, True) if self.deleted and self.terms.query() is None else (False,)


class Listed(NamedTuple):
    """A customer in a list; `body` is its JSON. `deleted_at` (µs) is a tombstone's."""

    customer_id: str
    created_at: int
    body: bytes
    deleted_at: int | None


class ListPage(NamedTuple):
    """A page of a list, newest first, and whether there is more in the direction asked."""

    customers: list[Listed]
    has_more: bool


class Total(NamedTuple):
    """How many match; `capped`: MOST_COUNTED, and there are more."""

    number: int
    capped: bool


class Direction(NamedTuple):
    """A way through a list, from the nearest on; `sign` is that of `created_at` in its order."""

    page: Statement
    edge: Statement
    sign: int

    def split(self, span: Span, edge: int) -> tuple[Span, Span]:
        """The near part of a span, up to and with the edge, and the rest."""
        if self.sign < 0:
            return (edge, span[1]), (span[0], edge - 1)
        return (span[0], edge), (edge + 1, span[1])


OLDER = Direction(PAGE_OLDER, EDGE_OLDER, -1)
NEWER = Direction(PAGE_NEWER, EDGE_NEWER, 1)


def meet(one: Span, other: Span) -> Span:
    """What two spans have in common; may be empty."""
    return max(one[0], other[0]), min(one[1], other[1])


class CustomerList:
    """The customers of a merchant that match."""

    def __init__(self, database: Database, merchant_id: str, filters: Filters) -> None:
        self._database = database
        self._merchant_id = merchant_id
        self._kinds = filters.kinds
        self._updated = filters.updated
        # Nothing is updated before it was created.
        self._created = meet(filters.created, (EARLIEST, filters.updated[1]))
        self._terms = filters.terms

    async def page(self, limit: int, span: Span = ALWAYS, direction: Direction = OLDER) -> ListPage:
        """Of those created within the span the `limit` nearest in this direction. Raises StoreError."""
        within = meet(self._created, span)
        rows: dict[str, Row] = {}
        for deleted in self._kinds:  # tombstones last: who is deleted meanwhile is replaced, not missed
            for row in await self._nearest(deleted, within, limit + 1, direction):
                rows[row["customer_id"]] = row
        nearest_first = sorted(rows.values(), key=lambda row: direction.sign * int(row["created_at"]))
        customers = [_listed(row) for row in nearest_first[:limit]]
        if direction is NEWER:
            customers.reverse()
        return ListPage(customers, len(nearest_first) > limit)

    async def total(self) -> Total:
        """How many there are, wherever created. Raises StoreError."""
        total = 0
        for deleted in self._kinds:
            filters = self._filters(deleted, self._created)
            found = await self._database.fetch(COUNT, *filters, MOST_COUNTED + 1)
            total += found[0]["total"]
        return Total(min(total, MOST_COUNTED), total > MOST_COUNTED)

    async def _nearest(self, deleted: bool, span: Span, wanted: int, direction: Direction) -> Sequence[Row]:
        if self._terms.query() is None and self._updated == ALWAYS:
            return await self._look(deleted, span, wanted, direction)
        found: list[Row] = []
        steps = NEAREST_BY_WORDS if self._terms.words else NEAREST
        for number, following in zip(steps, (*steps[1:], 0), strict=True):
            edge = await self._edge(deleted, span, number, direction)
            near, rest = direction.split(span, edge) if edge is not None else (span, None)
            seen = await self._look(deleted, near, wanted - len(found), direction)
            found += seen
            if len(found) == wanted or rest is None:
                return found
            span = rest
            if len(seen) * following < (wanted - len(found)) * number:
                break
        return found + await self._search(deleted, span, wanted - len(found), direction)

    async def _look(self, deleted: bool, span: Span, wanted: int, direction: Direction) -> list[Row]:
        return await self._database.fetch(direction.page, *self._filters(deleted, span), wanted)

    async def _search(self, deleted: bool, span: Span, wanted: int, direction: Direction) -> list[Row]:
        filters = self._filters(deleted, span)
        return await self._database.fetch(SEARCH, *filters, direction.sign, wanted)

    async def _edge(self, deleted: bool, span: Span, number: int, direction: Direction) -> int | None:
        """Where the nearest so many end; None if there are not more."""
        found = await self._database.fetch(direction.edge, self._merchant_id, deleted, *span, number)
        return int(found[0]["created_at"]) if found else None

    def _filters(self, deleted: bool, span: Span) -> tuple[Any, ...]:
        terms = self._terms
        return self._merchant_id, deleted, *span, *self._updated, terms.query(), terms.patterns()


def _listed(row: Row) -> Listed:
    deleted_at = row["updated_at"] if row["deleted"] else None
    return Listed(row["customer_id"], row["created_at"], row["body"], deleted_at)
