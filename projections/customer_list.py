"""Lists out of the customers read model: pages by keyset, newest first, in both directions.

In: filters and a place to begin beside. Out: bodies, which are the answer's JSON already.
"""

from __future__ import annotations

from typing import NamedTuple

from events.database import Database
from projections.queries import CREATION_OF, LIST_NEWER, LIST_OLDER


class Listed(NamedTuple):
    """A customer in a list; `body` is its JSON."""

    customer_id: str
    body: bytes


class Page(NamedTuple):
    """A page of a list, newest first, and whether there is more in the direction asked."""

    customers: list[Listed]
    has_more: bool


class Cursor(NamedTuple):
    """A place in the list: just beside this customer, live or deleted."""

    created_at: int
    customer_id: str


async def find_cursor(database: Database, merchant_id: str, customer_id: str) -> Cursor | None:
    """The place of a customer in the list, or None if the merchant never had it."""
    found = await database.fetch(CREATION_OF, customer_id, merchant_id)
    return Cursor(found[0]["recorded_at"], customer_id) if found else None


async def list_customers(
    database: Database,
    merchant_id: str,
    limit: int,
    *,
    created: tuple[int, int],
    updated: tuple[int, int],
    after: Cursor | None = None,
    before: Cursor | None = None,
) -> Page:
    """Live customers created and updated within these spans (µs, inclusive), beyond a place, newest first."""
    if before is not None:
        statement, place = LIST_NEWER, before
    else:
        statement, place = LIST_OLDER, after or _TOP
    rows = await database.fetch(statement, merchant_id, *created, *updated, *place, limit + 1)
    customers = [Listed(row["customer_id"], row["body"]) for row in rows[:limit]]
    if before is not None:
        customers.reverse()
    return Page(customers, len(rows) > limit)


_TOP = Cursor(2**62, "")
