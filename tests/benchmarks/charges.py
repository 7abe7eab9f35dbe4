"""Messages about charges, as another service would publish them.

Comes in: customers, and how many messages. Goes out: a full stream, and what the customers' stats must amount
to. A charge is pending first and completed a while after; each message is published and acknowledged alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import orjson

from events.stream.jetstream import JetStream
from service.projecting import ensure_billing_streams
from tests.benchmarks.backlog import Known

STREAM = "CHARGES"
DURABLE = "billing-charges"
AT_ONCE = 256
APART = 500  # charges that begin before the first of them is completed
AMOUNT = "25.25"


class _Message(NamedTuple):
    subject: str
    identity: str
    body: bytes


async def publish_charges(nats_url: str, known: Sequence[Known], count: int) -> tuple[int, Decimal]:
    """Publish so many messages, two a charge; give the number of charges and what they sum to."""
    charges = count // 2
    messages = _messages(known, charges)
    async with JetStream.connect(nats_url) as stream:
        await ensure_billing_streams(stream)
        await asyncio.gather(*(_publish(stream, messages) for _ in range(AT_ONCE)))
    return charges, Decimal(AMOUNT) * charges


async def _publish(stream: JetStream, messages: Iterator[_Message]) -> None:
    for message in messages:
        await stream.publish(message.subject, message.body, {"Nats-Msg-Id": message.identity})


def _messages(known: Sequence[Known], charges: int) -> Iterator[_Message]:
    for first in range(0, charges, APART):
        numbers = range(first, min(first + APART, charges))
        for number in numbers:
            yield _message(known[number % len(known)], number, "pending", "0")
        for number in numbers:
            yield _message(known[number % len(known)], number, "completed", AMOUNT)


def _message(known: Known, number: int, what: str, received: str) -> _Message:
    data = {
        "id": f"chrg_{number:012}",
        "orderId": f"order-{number}",
        "amount": AMOUNT,
        "amountReceived": received,
        "currency": "USDC",
        "status": what.upper(),
        "merchantId": known.merchant_id,
        "customerId": known.customer_id,
    }
    envelope = {"event": f"charge.{what}", "timestamp": "2024-01-15T12:15:00Z", "data": data}
    return _Message(f"charges.{what}", f"{data['id']}-{what}", orjson.dumps(envelope))
