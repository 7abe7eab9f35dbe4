"""The customers read model held against what the events say.

In: rows as the events have them, all that there are above one id and up to another. Out: which customers have
another row there, none, or one without events. The read model follows the store, so what differs is to be
looked at again before it is believed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import orjson

from events.database import Database
from projections.customers import CustomerRow
from projections.queries import ROWS_BETWEEN, ROWS_OF

PAGE = 1000
MISSING, PHANTOM = "no row", "a row without events"


class Difference(NamedTuple):
    """A customer whose row is not what its events say. `what` names members and versions, no values."""

    customer_id: str
    what: str


async def differences_between(
    database: Database, merchant_id: str, expected: Sequence[CustomerRow], above: str, up_to: str
) -> AsyncIterator[Difference]:
    """How the rows above one id and up to another differ from those expected there."""
    missing = {row.customer_id: row for row in expected}
    while True:
        page = await database.fetch(ROWS_BETWEEN, merchant_id, above, up_to, PAGE)
        for row in map(CustomerRow._make, page):
            if what := difference(missing.pop(row.customer_id, None), row):
                yield Difference(row.customer_id, what)
        if len(page) < PAGE:
            break
        above = page[-1]["customer_id"]
    for customer_id in missing:
        yield Difference(customer_id, MISSING)


async def difference_of(
    database: Database, merchant_id: str, customer_id: str, expected: CustomerRow | None
) -> str:
    """How one customer's row differs from the expected one; empty if it does not."""
    found = await database.fetch(ROWS_OF, merchant_id, [customer_id])
    return difference(expected, CustomerRow(*found[0]) if found else None)


def difference(expected: CustomerRow | None, row: CustomerRow | None) -> str:
    """In what two rows differ; empty if in nothing."""
    if expected == row:
        return ""
    if row is None:
        return MISSING
    if expected is None:
        return PHANTOM
    if expected.version != row.version:
        return f"version {row.version} instead of {expected.version}"
    wanted, there = expected._asdict(), row._asdict()
    columns = [name for name in ("created_at", "updated_at", "deleted") if wanted[name] != there[name]]
    return "other " + ", ".join([*columns, *_members(expected.body, row.body)])


def _members(expected: bytes, body: bytes) -> list[str]:
    """The members in which two bodies differ; `body` where it is no matter of members."""
    if expected == body:
        return []
    wanted: dict[str, Any] = orjson.loads(expected)
    try:
        there = orjson.loads(body)
    except orjson.JSONDecodeError:
        there = None
    if not isinstance(there, dict):
        return ["body"]
    return [name for name in wanted | there if wanted.get(name) != there.get(name)] or ["body"]
