"""The billing projection: charge and invoice events in, their state and the customers' totals out.

In: deliveries of the streams of charges and invoices, in any order, any number of times (`apply`). Out, in
the caller's transaction: the inbox, `charges`, `invoices`, `customer_stats`, and what is parked.

The state of a charge or an invoice is that of its decisive event, the greatest in a total order, so that the
order of arrival does not matter; totals change by the difference that a new decisive event makes.

A batch is a fixed number of statements. Each locks rows in the order of their keys, and all batches run the
statements in the same order, so that no two wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from events.database import Database
from events.statements import Statement
from projections.billing_message import CHARGE, INVOICE, LINKED, BadMessage, BillingEvent, read_message
from projections.delivery import Delivery
from projections.parking import Bad, ParkedRow, park_all
from projections.queries import CURRENCIES_OF, FINGERPRINTS_OF, OWNERS_OF, PUT_STATES, TAKE_IN

NAME = "billing"

COMPLETED = "COMPLETED"

RANKS = {COMPLETED: 2, "UNDERPAID": 1, "EXPIRED": 1, "CANCELLED": 1, "deleted": 1}
"""What beats everything of a lower rank, whenever it happened; 0 for all other statuses."""


Key: TypeAlias = tuple[str, str, str]
"""An event's identity: merchant, stream, and what tells it from others there."""


class Arrival(NamedTuple):
    """A delivery and what it says."""

    delivery: Delivery
    event: BillingEvent

    def refused(self, reason: str) -> Bad:
        """The same, to be parked."""
        return Bad(self.delivery, reason, self.event.merchant_id, self.event.customer_id)


async def apply(transaction: Database.Transaction, deliveries: Sequence[Delivery]) -> None:
    """Apply a batch. What is wrong with a message itself parks it; a StoreError is for the caller."""
    bad: list[Bad] = []
    arrivals = _read(deliveries, bad)
    currencies = await _currencies(transaction, arrivals)
    arrivals = _of_known_merchants(arrivals, currencies, bad)
    arrivals = await _of_own_customers(transaction, arrivals, bad)
    fresh = await _take_in(transaction, arrivals, bad)
    await put_states(transaction, fresh, currencies)
    await park_all(transaction, NAME, bad)


async def retry(transaction: Database.Transaction, row: ParkedRow) -> None:
    """Apply a parked message again; it parks itself again if it is still wrong."""
    await apply(transaction, [row.delivery])


# Which of them can be taken in


def _read(deliveries: Iterable[Delivery], bad: list[Bad]) -> list[Arrival]:
    arrivals = []
    for delivery in deliveries:
        try:
            arrivals.append(Arrival(delivery, read_message(delivery)))
        except BadMessage as error:
            bad.append(Bad(delivery, str(error), error.merchant_id))
    return arrivals


async def _currencies(transaction: Database.Transaction, arrivals: Sequence[Arrival]) -> dict[str, str]:
    merchants = {arrival.event.merchant_id for arrival in arrivals}
    return {row["id"]: row["currency"] for row in await transaction.fetch(CURRENCIES_OF, list(merchants))}


def _of_known_merchants(
    arrivals: Iterable[Arrival], currencies: Mapping[str, str], bad: list[Bad]
) -> list[Arrival]:
    known = []
    for arrival in arrivals:
        if arrival.event.merchant_id in currencies:
            known.append(arrival)
        else:
            bad.append(arrival.refused("data.merchantId is of no merchant here"))
    return known


async def _of_own_customers(
    transaction: Database.Transaction, arrivals: Sequence[Arrival], bad: list[Bad]
) -> list[Arrival]:
    """Those of their merchants' customers, or of customers not known yet. What was taken in stays so."""
    customers = {arrival.event.customer_id for arrival in arrivals if arrival.event.customer_id}
    owners: dict[str | None, set[str]] = {}
    for row in await transaction.fetch(OWNERS_OF, list(customers)):
        owners.setdefault(row["customer_id"], set()).add(row["merchant_id"])
    own: list[Arrival] = []
    foreign: list[Arrival] = []
    for arrival in arrivals:
        event = arrival.event
        fits = event.merchant_id in owners.get(event.customer_id, {event.merchant_id})
        (own if fits else foreign).append(arrival)
    bad.extend(await _unlike_inbox(transaction, foreign, "data.customerId is a customer of another merchant"))
    return own


def _key(event: BillingEvent) -> Key:
    return event.merchant_id, event.stream, event.identity


async def _take_in(
    transaction: Database.Transaction, arrivals: Sequence[Arrival], bad: list[Bad]
) -> list[BillingEvent]:
    """Put events into the inbox; those that were not there. What comes again must say what it says there."""
    first: dict[Key, Arrival] = {}
    for arrival in arrivals:
        first.setdefault(_key(arrival.event), arrival)
    rows = [(*event, delivery.sequence, delivery.body) for delivery, event in first.values()]
    taken = await transaction.fetch(TAKE_IN, *_columns(rows)) if rows else []
    fresh = [first.pop(tuple(row)) for row in taken]
    if len(fresh) < len(arrivals):
        new = set(map(id, fresh))  # equal arrivals may be among them, one of them new
        again = [arrival for arrival in arrivals if id(arrival) not in new]
        bad.extend(
            await _unlike_inbox(
                transaction, again, "an event of the same identity and another body has come before"
            )
        )
    return [arrival.event for arrival in fresh]


async def _unlike_inbox(
    transaction: Database.Transaction, arrivals: Sequence[Arrival], reason: str
) -> list[Bad]:
    """Those to be parked for this reason: all but those that the inbox has, with the same body."""
    if not arrivals:
        return []
    keys = [_key(arrival.event) for arrival in arrivals]
    said = {
        tuple(row[:3]): row["fingerprint"]
        for row in await transaction.fetch(FINGERPRINTS_OF, *_columns(keys))
    }
    return [
        arrival.refused(reason)
        for key, arrival in zip(keys, arrivals, strict=True)
        if said.get(key) != arrival.event.fingerprint
    ]


# What they change


def rank(event: BillingEvent) -> tuple[int, int, str, str]:
    """The place of an event in the total order of its charge's or invoice's events; the greatest decides."""
    return RANKS.get(event.status or "", 0), event.occurred_at, event.identity, event.stream


def decisive(events: Iterable[BillingEvent]) -> list[BillingEvent]:
    """The decisive event of each charge and invoice among those that count."""
    greatest: dict[tuple[str, str, str | None], BillingEvent] = {}
    for event in events:
        if event.standing == LINKED:
            key = event.kind, event.merchant_id, event.object_id
            if key not in greatest or rank(greatest[key]) < rank(event):
                greatest[key] = event
    return list(greatest.values())


async def put_states(
    transaction: Database.Transaction,
    fresh: Iterable[BillingEvent],
    currencies: Mapping[str, str],
    statement: Statement = PUT_STATES,
) -> None:
    """Bring charges, invoices and stats up to date with these events, of merchants with these currencies."""
    events = decisive(fresh)
    charges = [
        (*_state(event), event.amount, event.currency, spent(event, currencies[event.merchant_id]))
        for event in events
        if event.kind == CHARGE
    ]
    invoices = [_state(event) for event in events if event.kind == INVOICE]
    if events:
        await transaction.fetch(statement, *_columns(charges, 11), *_columns(invoices, 8))


def _state(event: BillingEvent) -> tuple[Any, ...]:
    return event.merchant_id, event.object_id, *rank(event), event.customer_id, event.status


def spent(event: BillingEvent, currency: str) -> str | None:
    """What a charge adds to the total of its customer while this event decides."""
    return event.amount if event.status == COMPLETED and event.currency == currency else "0"


def _columns(rows: Sequence[Sequence[Any]], width: int = 0) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
