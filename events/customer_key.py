"""Which customer is meant: a merchant's id and the customer's, since another merchant may have the same."""

from __future__ import annotations

from typing import NamedTuple

from events.database import Row


class CustomerKey(NamedTuple):
    """Names a customer among those of all merchants. It is no data key, and no secret."""

    merchant_id: str
    customer_id: str


def key_of(row: Row) -> CustomerKey:
    """Whose row this is."""
    return CustomerKey(row["merchant_id"], row["customer_id"])
