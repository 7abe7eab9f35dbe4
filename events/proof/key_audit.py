"""The audit of data keys: a key is destroyed by an erasure, which is an event, and by nothing else.

In: a ledger whose chain holds. Out: the first customer, by creation, whose key is gone without that event, or
is still there after it. Whether a key is there can be read by a role that cannot read keys.
"""

from __future__ import annotations

from events.database import Database
from events.proof.verification import Finding
from events.queries import WRONG_KEY

PAGE = 20_000
"""Events a query."""


async def audit_keys(database: Database, merchant_id: str, until: int) -> Finding | None:
    """The first wrong one among customers created up to this position; each page is of one moment."""
    for after in range(0, until, PAGE):
        rows = await database.fetch(WRONG_KEY, merchant_id, after, min(after + PAGE, until))
        for position, customer_id, erased, destroyed in rows:
            text = wrong_key(customer_id, erased=erased, destroyed=destroyed)
            return Finding(merchant_id, position, customer_id, "data key", text)
    return None


def wrong_key(customer_id: str, *, erased: bool, destroyed: bool | None) -> str:
    """What is wrong with a key that is not as the last event has it; `destroyed` None: it has no row."""
    if not erased:
        return f"the data key of {customer_id} is gone, but no event says that it was erased"
    if destroyed is None:
        return f"{customer_id} was erased, but the mark of it, a row without a data key, is gone"
    return f"{customer_id} was erased, but its data key is there"
