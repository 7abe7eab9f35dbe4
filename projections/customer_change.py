"""What a message about a customer tells: the customer after an event, and the event's place in the ledger.

In: a delivery of the stream of customer events. Out: a `CustomerChange`, or None when it cannot be used as it
is (an event whose values could not be opened, or a message that is not ours): then the store is read instead.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import orjson

from events.mapper import to_microseconds
from projections.delivery import Delivery
from projections.search_terms import NO_TERMS, Terms, terms_of


class CustomerChange(NamedTuple):
    """One event and its effect; `recorded_at` in µs, `body` the JSON that a GET answers after it.

    `terms` is what lists find the customer by.
    """

    merchant_id: str
    customer_id: str
    version: int
    position: int
    hash: bytes
    previous_hash: bytes
    recorded_at: int
    deleted: bool
    body: bytes
    terms: Terms


def merchant_of(delivery: Delivery) -> str:
    """Whose customer it is about: the third token of the subject."""
    return delivery.subject.split(".")[2]


def read_change(delivery: Delivery) -> CustomerChange | None:
    """What the message tells."""
    headers = delivery.headers
    try:
        told: dict[str, Any] = orjson.loads(delivery.body)
        data = told["data"]
        deleted = data.get("deleted", False)
        if not deleted and "email" not in data:
            return None
        merchant_id = merchant_of(delivery)
        return CustomerChange(
            merchant_id,
            data["id"],
            told["version"],
            told["position"],
            bytes.fromhex(headers["ce-hash"]),
            bytes.fromhex(headers["ce-prevhash"]),
            to_microseconds(datetime.fromisoformat(told["timestamp"])),
            deleted,
            orjson.dumps(data),
            NO_TERMS if deleted else terms_of(merchant_id, data),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
