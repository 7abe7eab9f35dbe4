"""The customer object of the contract, as JSON bytes.

In: id, values and the times of the first and the last event (s). Out: exactly the members of the contract,
in its order. Used by responses, by read-model rows and by messages alike, so that they cannot differ.
"""

from __future__ import annotations

import orjson

from events.customer import MEMBERS, Values


def render_customer(customer_id: str, values: Values, created: int, updated: int) -> bytes:
    """The customer object; times are whole seconds since 1970."""
    return orjson.dumps(
        {
            "id": customer_id,
            "object": "customer",
            **{member: values[member] for member in MEMBERS},
            "created": created,
            "updated": updated,
        }
    )


def render_tombstone(customer_id: str) -> bytes:
    """What is left of a deleted customer."""
    return orjson.dumps({"id": customer_id, "object": "customer", "deleted": True})
