"""The customer object of the contract, as JSON bytes.

In: id, values and the times of the first and the last event (µs). Out: exactly the members of the contract,
in its order. Used by responses, by read-model rows and by messages alike, so that they cannot differ.
"""

from __future__ import annotations

import orjson

from events.customer import MEMBERS, Values

SECOND = 1_000_000
"""µs."""


def render_customer(customer_id: str, values: Values, created_at: int, updated_at: int) -> bytes:
    """The customer object; times are µs since 1970 and show as whole seconds."""
    return orjson.dumps(
        {
            "id": customer_id,
            "object": "customer",
            **{member: values[member] for member in MEMBERS},
            "created": created_at // SECOND,
            "updated": updated_at // SECOND,
        }
    )


def render_tombstone(customer_id: str) -> bytes:
    """What is left of a deleted customer."""
    return orjson.dumps({"id": customer_id, "object": "customer", "deleted": True})
