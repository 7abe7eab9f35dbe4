"""Invented charges and invoices for `customers demo`: what other services would tell of a customer.

In: chance, ids, the time. Out: `Happening`s, each a message for JetStream, in the order of one charge's or
invoice's life. The envelope is that of the contract: `event`, `timestamp`, `data`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple, TypeVar

import orjson

CHARGE_LIVES = {  # a charge's statuses, and how often it goes that way
    ("PENDING", "RECEIVED", "COMPLETED"): 70,
    ("PENDING", "PARTIAL", "RECEIVED", "COMPLETED"): 10,
    ("PENDING", "EXPIRED"): 10,
    ("PENDING", "PARTIAL", "UNDERPAID"): 5,
    ("PENDING", "CANCELLED"): 5,
}
INVOICE_LIVES = {
    ("created", "finalized", "paid"): 75,
    ("created", "finalized", "voided"): 10,
    ("created", "deleted"): 10,
    ("created", "finalized"): 5,
}
CURRENCIES = {"USDC": 95, "EURC": 5}
"""The demo merchant's totals are kept in the first."""

CENT = Decimal("0.01")

Clock = Callable[[], datetime]
T = TypeVar("T")


class Happening(NamedTuple):
    """Something that happened to a charge or an invoice; `event` is `charge.completed`."""

    event: str
    timestamp: datetime
    data: dict[str, Any]

    @property
    def subject(self) -> str:
        """Where it is published: `charges.<merchant>.<charge>`, `invoices.<merchant>.<invoice>`."""
        kind = self.event.partition(".")[0]
        return f"{kind}s.{self.data['merchantId']}.{self.data['id']}"

    @property
    def headers(self) -> dict[str, str]:
        """Who publishes it again gives it the same id, so that it counts once."""
        return {"Nats-Msg-Id": f"{self.data['id']}-{self.event}"}

    @property
    def body(self) -> bytes:
        """The envelope."""
        moment = self.timestamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return orjson.dumps({"event": self.event, "timestamp": moment, "data": self.data})


def charge_life(
    chance: Random, clock: Clock, *, charge_id: str, merchant_id: str, customer_id: str
) -> Iterator[Happening]:
    """A charge from its beginning to its end; each happening is dated when it is asked for."""
    amount = Decimal(chance.randrange(100, 50_000)) * CENT
    partly = (amount * chance.randrange(10, 90) / 100).quantize(CENT)
    received = {"PARTIAL": partly, "UNDERPAID": partly, "RECEIVED": amount, "COMPLETED": amount}
    order_id = f"order-{chance.randrange(10**5, 10**6)}"
    currency = one_of(chance, CURRENCIES)
    for status in one_of(chance, CHARGE_LIVES):
        data = {
            "id": charge_id,
            "orderId": order_id,
            "amount": f"{amount:.2f}",
            "amountReceived": f"{received.get(status, Decimal()):.2f}",
            "currency": currency,
            "status": status,
            "merchantId": merchant_id,
            "customerId": customer_id,
        }
        yield Happening(f"charge.{status.lower()}", clock(), data)


def invoice_life(
    chance: Random, clock: Clock, *, invoice_id: str, merchant_id: str, customer_id: str
) -> Iterator[Happening]:
    """An invoice from its beginning to its end; each happening is dated when it is asked for."""
    number = f"INV-{chance.randrange(10**5, 10**6)}"
    amount = Decimal(chance.randrange(1_000, 500_000)) * CENT
    due = (clock() + timedelta(days=30)).date().isoformat()
    for event in one_of(chance, INVOICE_LIVES):
        data = {
            "id": invoice_id,
            "number": number,
            "amountDue": f"{amount:.2f}",
            "currency": "USDC",
            "dueDate": due,
            "merchantId": merchant_id,
            "customerId": customer_id,
        }
        yield Happening(f"invoice.{event}", clock(), data)


def one_of(chance: Random, weights: Mapping[T, int]) -> T:
    """One of the keys, as often as its weight says."""
    return chance.choices(list(weights), list(weights.values()))[0]
