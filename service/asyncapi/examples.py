"""Messages of the examples, made by the code that publishes them, of people who are invented.

Out: what the relay would publish of one customer's life, and what `customers demo` publishes of payments.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any, NamedTuple

import orjson

from events.customer import Customer, Values
from events.wire.message import Message, Recorded, customer_message, event_name
from projections.billing_terms import CHARGE_EVENTS, INVOICE_EVENTS, SPECVERSION, STRUCTURED
from service.demo.payments import Happening, charge_life, invoice_life
from service.openapi.examples import CREATE_JOHN, ID, JOHN_PATCHED

MERCHANT_ID = "mer_01jd4q8w9zexampxexampxe001"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOON = datetime(2026, 11, 22, 10, 37, 53, 586050, tzinfo=UTC)

_CREATED = 1_795_343_873_586_050  # NOON in µs
_HOUR = 3_600_000_000  # µs


class Example(NamedTuple):
    """A message: its headers, and its body as an object."""

    headers: dict[str, str]
    payload: Any


def customer_examples() -> dict[str, Example]:
    """By the names of the events: a customer is created, updated, deleted and erased."""
    changed: Values = {member: JOHN_PATCHED[member] for member in CREATE_JOHN}
    lives: list[tuple[str, Values | None, Values | None]] = [
        (Customer.Created.TOPIC, None, CREATE_JOHN),
        (Customer.Updated.TOPIC, CREATE_JOHN, changed),
        (Customer.Deleted.TOPIC, changed, None),
        (Customer.Erased.TOPIC, None, None),
    ]
    return {
        event_name(topic): _example(customer_message(_recorded(version, topic), _CREATED // 10**6, old, new))
        for version, (topic, old, new) in enumerate(lives, 1)
    }


def _recorded(version: int, topic: str) -> Recorded:
    return Recorded(
        MERCHANT_ID,
        ID,
        version,
        topic,
        16 + version,
        _CREATED + (version - 1) * _HOUR,
        _hash(version),
        _hash(version - 1),
        1,
        orjson.dumps({"actor": "key_1c9d2f6a8b3e4d70", "traceparent": TRACEPARENT}),
    )


def _hash(version: int) -> bytes:
    return sha256(f"the hash after version {version}".encode()).digest()


def _example(message: Message) -> Example:
    return Example(message.headers, orjson.loads(message.body))


@cache
def payment_examples() -> dict[str, Example]:
    """By the names of the events: the envelopes of charges and invoices."""
    found: dict[str, Example] = {}
    for happening in _happenings():
        found.setdefault(happening.event, Example(happening.headers, orjson.loads(happening.body)))
    return {event: found[event] for event in (*CHARGE_EVENTS, *INVOICE_EVENTS)}


def _happenings() -> Iterator[Happening]:
    """Lives enough to have gone every way there is."""
    for seed in range(200):
        chance = Random(seed)  # noqa: S311 - nothing secret
        ids = {"merchant_id": MERCHANT_ID, "customer_id": ID}
        yield from charge_life(chance, lambda: NOON, charge_id="chrg_abc123def456", **ids)
        yield from invoice_life(chance, lambda: NOON, invoice_id="inv_abc123def456", **ids)


def binary(example: Example) -> Example:
    """The object alone, in a CloudEvent in binary mode."""
    attributes = {f"ce-{name}": value for name, value in _attributes(example).items()}
    return Example(attributes, example.payload["data"])


def structured(example: Example, *, alone: bool) -> Example:
    """The envelope, or the object alone, in a CloudEvent in structured mode."""
    data = example.payload["data"] if alone else example.payload
    return Example({"Content-Type": STRUCTURED}, _attributes(example) | {"data": data})


def _attributes(example: Example) -> dict[str, str]:
    event = example.payload["event"]
    return {
        "specversion": SPECVERSION,
        "id": f"{example.payload['data']['id']}-{event}",
        "source": f"/{event.partition('.')[0]}s",
        "type": event,
        "time": example.payload["timestamp"],
        "datacontenttype": "application/json",
    }
