"""Charge and invoice messages for tests, and a recount of the stats that they amount to.

In: what happened, as keyword arguments. Out: deliveries as a stream hands them over; and from events, sent or
read back from the inbox, the stats by the rules of the contract alone, in plain Python.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, NamedTuple

from events.database import Database
from events.statements import Statement
from projections import billing
from projections.billing_message import BillingEvent, read_message
from projections.delivery import Delivery
from projections.stats import Stats, stats_of
from tests.support.databases import TestDatabase
from tests.support.store import C1, M1

FINAL = {"UNDERPAID", "EXPIRED", "CANCELLED"}

_sequences = itertools.count(1)
_exactly = Context(prec=200)


def charge(
    charge_id: str = "chrg_1",
    status: str = "COMPLETED",
    amount: Any = "25.00",
    *,
    customer: Any = C1,
    merchant: Any = M1,
    at: Any = "2024-01-15T12:15:00Z",
    currency: Any = "USDC",
    event: Any = None,
    **changes: Any,
) -> dict[str, Any]:
    """The envelope of a charge event; `changes` are members of its data, absent if Ellipsis."""
    data = {
        "id": charge_id,
        "orderId": "order-123",
        "amount": amount,
        "amountReceived": amount,
        "currency": currency,
        "status": status,
        "merchantId": merchant,
        "customerId": customer,
    } | changes
    return _envelope(event or f"charge.{status.lower()}", at, data)


def invoice(
    invoice_id: str = "inv_1",
    event: str = "created",
    *,
    customer: Any = C1,
    merchant: Any = M1,
    at: Any = "2024-01-15T12:15:00Z",
    **changes: Any,
) -> dict[str, Any]:
    """The envelope of an invoice event."""
    data = {"id": invoice_id, "merchantId": merchant, "customerId": customer, "total": "10.00"} | changes
    return _envelope(f"invoice.{event}", at, data)


def _envelope(event: str, at: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in data.items() if value is not ...}
    return {"event": event, "timestamp": at, "data": kept}


def delivered(
    content: Any, headers: Mapping[str, str] | None = None, *, msg_id: str | None = None
) -> Delivery:
    """A message with this body (bytes, or what is to become JSON), in the stream that it belongs to."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    event = content.get("event") if isinstance(content, dict) else None
    subject = str(event or "charge.completed").replace("charge.", "charges.").replace("invoice.", "invoices.")
    stream = "INVOICES" if subject.startswith("invoices.") else "CHARGES"
    ids = {"Nats-Msg-Id": msg_id} if msg_id else {}
    return Delivery(stream, subject, next(_sequences), {**(headers or {}), **ids}, body)


# The recount


class Seen(NamedTuple):
    """An event as far as totals are concerned."""

    kind: str
    merchant_id: str
    object_id: str
    customer_id: str
    occurred_at: int
    identity: tuple[str, str]
    status: str
    amount: Decimal
    currency: str | None


Totals = dict[tuple[str, str], Stats]
"""Stats by merchant and customer; customers without any are not in it."""


def recount(events: Iterable[Seen], currencies: Mapping[str, str]) -> Totals:
    """What these events amount to, each of them counted from nothing."""
    by_object: dict[tuple[str, str, str], list[Seen]] = defaultdict(list)
    for event in events:
        by_object[event.kind, event.merchant_id, event.object_id].append(event)
    totals: Totals = {}
    for own in by_object.values():
        last = _decisive(own)
        before = totals.get((last.merchant_id, last.customer_id), Stats(0, 0, Decimal(0)))
        totals[last.merchant_id, last.customer_id] = _counted(before, last, currencies)
    return {key: stats for key, stats in totals.items() if any(stats)}


def _decisive(events: Sequence[Seen]) -> Seen:
    for group in ({"COMPLETED", "deleted"}, FINAL):
        chosen = [event for event in events if event.status in group]
        if chosen:
            return max(chosen, key=lambda event: (event.occurred_at, event.identity))
    return max(events, key=lambda event: (event.occurred_at, event.identity))


def _counted(stats: Stats, event: Seen, currencies: Mapping[str, str]) -> Stats:
    if event.kind == "invoice":
        return stats._replace(invoice_count=stats.invoice_count + (event.status != "deleted"))
    spent = event.status == "COMPLETED" and event.currency == currencies[event.merchant_id]
    return stats._replace(
        charge_count=stats.charge_count + 1,
        total_spent=_exactly.add(stats.total_spent, event.amount if spent else Decimal(0)),
    )


def seen(event: BillingEvent) -> Seen:
    """An event that was sent."""
    return Seen(
        event.kind,
        event.merchant_id,
        event.object_id or "",
        event.customer_id or "",
        event.occurred_at,
        (event.identity, event.stream),
        event.status or "",
        Decimal(event.amount or 0),
        event.currency,
    )


def recount_sent(deliveries: Iterable[Delivery], currencies: Mapping[str, str]) -> Totals:
    """What these messages, all of them sound, amount to."""
    events = [read_message(delivery) for delivery in deliveries]
    once = {(event.merchant_id, event.stream, event.identity): event for event in reversed(events)}
    return recount([seen(event) for event in once.values() if event.standing == "linked"], currencies)


INBOX = "SELECT * FROM projections.billing_events WHERE standing = 'linked'"


async def recount_inbox(database: Database) -> Totals:
    """What the inbox amounts to."""
    rows = await _select(database, INBOX)
    currencies = {row["id"]: row["currency"] for row in await _select(database, MERCHANTS)}
    events = [
        Seen(
            row["kind"],
            row["merchant_id"],
            row["object_id"],
            row["customer_id"],
            row["occurred_at"],
            (row["identity"], row["stream"]),
            row["status"],
            row["amount"] or Decimal(0),
            row["currency"],
        )
        for row in rows
    ]
    return recount(events, currencies)


MERCHANTS = "SELECT id, currency FROM events.merchants"
STATS = "SELECT * FROM projections.customer_stats"


async def stored_totals(database: Database) -> Totals:
    """The stats as the projection keeps them."""
    totals = {
        (row["merchant_id"], row["customer_id"]): Stats(*list(row)[2:])
        for row in await _select(database, STATS)
    }
    return {key: stats for key, stats in totals.items() if any(stats)}


async def _select(database: Database, text: str, *arguments: Any) -> list[Any]:
    return await database.fetch(Statement("select", text), *arguments)


# The projection at work


@dataclass(frozen=True)
class Billing:
    """The projection on a database, as the application's role runs it."""

    database: Database

    async def apply(self, *deliveries: Delivery, batch: int = 1000) -> None:
        """Apply in batches, each a transaction."""
        for start in range(0, len(deliveries), batch):
            async with self.database.transaction() as transaction:
                await billing.apply(transaction, deliveries[start : start + batch])

    async def stats(self, customer: str = C1, merchant: str = M1) -> Stats:
        """The stats of a customer."""
        return (await stats_of(self.database, merchant, [customer]))[customer]

    async def select(self, text: str, *arguments: Any) -> list[dict[str, Any]]:
        """The rows of a statement."""
        return [dict(row) for row in await _select(self.database, text, *arguments)]

    async def standings(self) -> list[str]:
        """How the events of the inbox stand."""
        rows = await self.select("SELECT standing FROM projections.billing_events ORDER BY sequence")
        return [row["standing"] for row in rows]

    async def reasons(self) -> list[str]:
        """Why messages are parked, in order."""
        rows = await self.select("SELECT reason FROM projections.parked ORDER BY id")
        return [row["reason"] for row in rows]

    async def check(self) -> None:
        """Assert that stats equal a recount of the inbox."""
        assert await stored_totals(self.database) == await recount_inbox(self.database)


@asynccontextmanager
async def opened_billing(database: TestDatabase, *, size: int = 4) -> AsyncIterator[Billing]:
    """The projection on this database."""
    async with Database.connect(database.url, size=size) as pool:
        yield Billing(pool)
