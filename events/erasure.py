"""Certificates of erasure: that a person was forgotten, when and on whose behalf, signed.

In: the events that erased customers, as they are stored. Out: certificates. One has the same bytes
whenever it is asked for under the same master key; after a rotation the signature is by the newer key.
Position and hash are those of the event in the merchant's ledger.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import orjson

from events.customer import Customer
from events.customer_key import CustomerKey
from events.database import Database, Row
from events.mapper import from_microseconds
from events.master_keys import MasterKeys
from events.queries import ARE_ERASED, ERASURES_PAGE, LAST_EVENT_OF
from events.signing import is_signed, sign
from events.wire.message import rfc3339

OBJECT = "erasure_certificate"
KIND = "erasure"
"""What signatures say that they are of."""

PAGE = 1000

Certificate = dict[str, Any]


async def certificate_of(
    database: Database, master_keys: MasterKeys, erased: CustomerKey
) -> Certificate | None:
    """The certificate of a customer's erasure, None if it is not erased. Raises StoreError."""
    rows = await database.fetch(LAST_EVENT_OF, *erased)  # nothing happens to a customer after its erasure
    return _certificate(master_keys, rows[0]) if rows and _tells_of_erasure(rows[0]) else None


async def all_certificates(
    database: Database, master_keys: MasterKeys, *, but: Collection[CustomerKey]
) -> AsyncIterator[list[Certificate]]:
    """The certificates of all erasures but those of these customers, in pages. Raises StoreError."""
    last = CustomerKey("", "")
    while rows := await database.fetch(ERASURES_PAGE, *last, PAGE):
        last = CustomerKey(*rows[-1][:2])
        own = [row for row in rows if _tells_of_erasure(row) and CustomerKey(*row[:2]) not in but]
        yield [_certificate(master_keys, row) for row in own]


async def are_erased(database: Database, customers: Sequence[CustomerKey]) -> dict[CustomerKey, bool]:
    """Those of these customers that the database has, and whether as erased. Raises StoreError."""
    found: dict[CustomerKey, bool] = {}
    for first in range(0, len(customers), PAGE):
        columns = zip(*customers[first : first + PAGE], strict=True)
        rows = await database.fetch(ARE_ERASED, *map(list, columns))
        found |= {CustomerKey(row["merchant_id"], row["customer_id"]): row["is_erased"] for row in rows}
    return found


async def has_erasures(database: Database) -> bool:
    """Whether anybody was erased in this database. Raises StoreError."""
    return any(map(_tells_of_erasure, await database.fetch(ERASURES_PAGE, "", "", PAGE)))


def is_certificate(told: Certificate, public_keys: Collection[bytes]) -> bool:
    """Whether it is a certificate of ours, as it was signed."""
    return told.get("object") == OBJECT and is_signed(KIND, told, public_keys)


def _tells_of_erasure(row: Row) -> bool:
    return bool(row["topic"] == Customer.Erased.TOPIC)


def _certificate(master_keys: MasterKeys, row: Row) -> Certificate:
    metadata = orjson.loads(row["metadata"])
    return sign(
        master_keys,
        KIND,
        {
            "object": OBJECT,
            "merchantId": row["merchant_id"],
            "customerId": row["customer_id"],
            "erasedAt": rfc3339(from_microseconds(row["recorded_at"])),
            "actor": metadata.get("actor"),
            "requestId": metadata.get("requestId"),
            "version": row["version"],
            "position": row["position"],
            "hash": row["hash"].hex(),
        },
    )
