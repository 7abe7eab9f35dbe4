"""What could not be applied: kept with its reason, out of everybody's way, until somebody retries it.

In: a message, or a customer, that a projection cannot take. Out: one row each, however often it comes again;
lists of them; and another try (`retry`), which removes the row if it succeeds. Infrastructure failing is no
reason to park.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple, TypeAlias

from events.database import Database, Row
from events.errors import StoreBusy, StoreError, StoreUnavailable
from events.strict_json import shown
from events.wire.message import subject_of
from projections.delivery import Delivery
from projections.queries import (
    FIND_PARKED,
    FORGET_PARKED,
    LIST_PARKED,
    PARK,
    PARKED_CUSTOMERS,
    RELEASE_PARKED,
    RENEW_PARKED,
    SKIP_PARKED,
)

CUSTOMERS = "customers"
"""The projection that parks whole customers."""

REASON_LENGTH = 500  # code points
SUBJECT_LENGTH = 4096  # code points; NATS takes no longer line

_TELLING = ("ce-source", "ce-id", "ce-type", "ce-time", "nats-msg-id")
"""Headers that make another message of the same body."""


class Bad(NamedTuple):
    """A message to be parked, and whose it is as far as that could be read."""

    delivery: Delivery
    reason: str
    merchant_id: str | None = None
    customer_id: str | None = None


class ParkedRow(NamedTuple):
    """A row of the table. A parked customer's `delivery` is empty. `parked_at` is in µs."""

    id: int
    projection: str
    status: str
    delivery: Delivery
    merchant_id: str | None
    customer_id: str | None
    reason: str
    attempts: int
    parked_at: int


Retry: TypeAlias = Callable[[Database.Transaction, ParkedRow], Awaitable[None]]
"""How a projection tries again. It raises, or parks the same thing again, if that fails."""


# In


async def park(
    transaction: Database.Transaction,
    projection: str,
    delivery: Delivery,
    reason: str,
    *,
    merchant_id: str | None = None,
    customer_id: str | None = None,
) -> None:
    """Park one message."""
    await park_all(transaction, projection, [Bad(delivery, reason, merchant_id, customer_id)])


async def park_all(transaction: Database.Transaction, projection: str, bad: Sequence[Bad]) -> None:
    """Park these messages; one that is among them several times is parked once, with as many attempts."""
    attempts = Counter((one.delivery.stream, digest_of(one.delivery)) for one in bad)
    last = {(one.delivery.stream, digest_of(one.delivery)): one for one in bad}
    rows = [
        (
            stream,
            digest,
            shown(one.delivery.subject, SUBJECT_LENGTH),
            one.delivery.sequence,
            json.dumps(dict(one.delivery.headers)),
            one.delivery.body,
            one.merchant_id,
            one.customer_id,
            shown(one.reason, REASON_LENGTH),
            attempts[stream, digest],
        )
        for (stream, digest), one in last.items()
    ]
    if rows:
        await transaction.fetch(PARK, projection, *map(list, zip(*rows, strict=True)))


async def park_customer(
    transaction: Database.Transaction, merchant_id: str, customer_id: str, reason: str
) -> None:
    """Park a customer: its events are passed over until a retry succeeds."""
    nothing = Delivery("", "", 0, {}, b"")
    row = [[value] for value in (merchant_id, customer_id, shown(reason, REASON_LENGTH), 1)]
    digest = _digest_of_customer(merchant_id, customer_id)
    message = [[value] for value in ("", digest, nothing.subject, nothing.sequence, "{}", nothing.body)]
    await transaction.fetch(PARK, CUSTOMERS, *message, *row)


def digest_of(delivery: Delivery) -> bytes:
    """What tells a message from others of its stream, and not its deliveries from each other."""
    headers = {name.lower(): value for name, value in delivery.headers.items()}
    told = json.dumps([delivery.subject, *(headers.get(name) for name in _TELLING)])
    return sha256(told.encode() + b"\n" + delivery.body).digest()


def reason_of(error: Exception) -> str:
    """Why something is parked that raised this. Only the kind of an error not ours: it may quote values."""
    return str(error) if isinstance(error, StoreError) else f"unexpected {type(error).__name__}"


def _digest_of_customer(merchant_id: str, customer_id: str) -> bytes:
    return sha256(json.dumps([merchant_id, customer_id]).encode()).digest()


async def forget_parked(transaction: Database.Transaction, merchant_id: str, customer_id: str) -> None:
    """Drop what is parked of this customer and of messages about it. Billing's messages are billing's."""
    subject = subject_of(merchant_id, customer_id)
    await transaction.fetch(FORGET_PARKED, CUSTOMERS, subject, merchant_id, customer_id)


# Out


async def parked_customers(
    transaction: Database.Transaction, merchant_id: str, customer_ids: Sequence[str]
) -> set[str]:
    """Those of these customers whose events are to be passed over: the parked, and the skipped."""
    digests = [_digest_of_customer(merchant_id, customer_id) for customer_id in customer_ids]
    return {row["customer_id"] for row in await transaction.fetch(PARKED_CUSTOMERS, CUSTOMERS, digests)}


async def list_parked(
    database: Database, *, projection: str | None = None, merchant_id: str | None = None
) -> list[ParkedRow]:
    """What is parked or skipped, oldest first."""
    return [_parked(row) for row in await database.fetch(LIST_PARKED, projection, merchant_id)]


async def find_parked(database: Database, parked_id: int) -> ParkedRow | None:
    """One of them, if there is such a one."""
    found = await database.fetch(FIND_PARKED, parked_id)
    return _parked(found[0]) if found else None


def _parked(row: Row) -> ParkedRow:
    delivery = Delivery(
        row["stream"], row["subject"], row["sequence"], json.loads(row["headers"]), row["body"]
    )
    return ParkedRow(
        row["id"],
        row["projection"],
        row["status"],
        delivery,
        row["merchant_id"],
        row["customer_id"],
        row["reason"],
        row["attempts"],
        row["parked_at"],
    )


# What a person does about it


async def retry(database: Database, row: ParkedRow, retries: Mapping[str, Retry]) -> ParkedRow | None:
    """Apply it now, by its projection's way in `retries`: None if it is done, else the row as it is now.

    The row is locked last, as by those who park: whoever applies comes in the same order and waits at worst.
    Raises KeyError for a projection that `retries` lacks, StoreUnavailable, StoreBusy.
    """
    apply = retries[row.projection]
    try:
        async with database.transaction() as transaction:
            await apply(transaction, row)
            await transaction.fetch(RELEASE_PARKED, row.id, row.attempts)
    except (StoreUnavailable, StoreBusy):
        raise
    except Exception as error:  # noqa: BLE001  # whatever it does to its projection is the reason to keep it
        await database.fetch(RENEW_PARKED, row.id, shown(reason_of(error), REASON_LENGTH))
    return await find_parked(database, row.id)


async def skip(database: Database, parked_id: int) -> bool:
    """Leave it aside for good; False if there is no such one. It stays in the lists, and can be retried."""
    return bool(await database.fetch(SKIP_PARKED, parked_id))
