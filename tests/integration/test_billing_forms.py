"""Every charge and invoice event, in every form in which it may arrive, from the stream to the stats."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import pytest_asyncio

from events.master_keys import MasterKeys
from projections.billing_terms import CHARGE_EVENTS, INVOICE_EVENTS
from projections.stats import plain, stats_of
from projections.worker import run_worker
from service.embedded.nats import EmbeddedNats
from service.projecting import BILLING_STREAMS, works
from tests.support.billing import Billing, charge, invoice, opened_billing
from tests.support.databases import TestDatabase
from tests.support.nats_servers import raw_jetstream
from tests.support.relaying import own_nats
from tests.support.serve import comes_about
from tests.support.store import M1, customer_id

Message = tuple[Any, dict[str, str]]
"""A body, bytes or what is to become JSON, and headers."""

STRUCTURED = {"Content-Type": "application/cloudevents+json"}


def attributes(envelope: dict[str, Any]) -> dict[str, str]:
    """Of a CloudEvent about the same."""
    return {
        "specversion": "1.0",
        "id": f"{envelope['event']} 1",
        "source": "/tests",
        "type": envelope["event"],
        "time": envelope["timestamp"],
    }


def binary(envelope: dict[str, Any], data: Any, **more: str) -> Message:
    told = attributes(envelope) | more
    return data, {f"ce-{name}": value.replace(" ", "%20") for name, value in told.items()}


def structured(
    envelope: dict[str, Any], content_type: str = STRUCTURED["Content-Type"], **data: Any
) -> Message:
    return attributes(envelope) | data, {"Content-Type": content_type}


def encoded(value: Any) -> str:
    return b64encode(json.dumps(value).encode()).decode()


def shouted(message: Message) -> Message:
    body, headers = message
    return body, {name.upper(): value for name, value in headers.items()}


def more_members(envelope: dict[str, Any]) -> Message:
    more = {"note": {"deep": [1, None]}}
    return envelope | more | {"data": envelope["data"] | more | {"event": "x"}}, {}


FORMS: dict[str, Callable[[dict[str, Any]], Message]] = {
    "plain": lambda envelope: (envelope, {}),
    "plain, with an id": lambda envelope: (envelope, {"Nats-Msg-Id": envelope["event"]}),
    "plain, with members more": more_members,
    "binary": lambda envelope: binary(envelope, envelope),
    "binary, alone": lambda envelope: binary(envelope, envelope["data"]),
    "binary, shouted": lambda envelope: shouted(binary(envelope, envelope["data"])),
    "binary, with content types": lambda envelope: binary(
        envelope, envelope["data"], datacontenttype="application/json; charset=utf-8", extension="x"
    ),
    "structured": lambda envelope: structured(envelope, data=envelope),
    "structured, alone": lambda envelope: structured(envelope, data=envelope["data"]),
    "structured, shouted": lambda envelope: shouted(structured(envelope, data=envelope["data"])),
    "structured, with a parameter": lambda envelope: structured(
        envelope, "Application/CloudEvents+JSON ; charset=UTF-8", data=envelope["data"], extension=1
    ),
    "structured, in base64": lambda envelope: structured(envelope, data_base64=encoded(envelope["data"])),
}

EVENTS = [*CHARGE_EVENTS, *INVOICE_EVENTS, "charge.refunded"]
EXPECTED = {
    **{event: (0, 1, "25.00" if event == "charge.completed" else "0.00") for event in CHARGE_EVENTS},
    **{event: (0 if event == "invoice.deleted" else 1, 0, "0.00") for event in INVOICE_EVENTS},
    "charge.refunded": (0, 1, "0.00"),
}
"""invoiceCount, chargeCount, totalSpent after the event, which follows another of its charge or invoice."""

CUSTOMERS = {event: customer_id(number) for number, event in enumerate(EVENTS, 1)}
EARLY = "2024-01-01T00:00:00Z"


def envelope_of(event: str) -> dict[str, Any]:
    """The event, of a charge or an invoice of its own customer."""
    kind, _, word = event.partition(".")
    if kind == "invoice":
        return invoice(f"inv_{word}", word, customer=CUSTOMERS[event])
    return charge(f"chrg_{word}", word.upper(), customer=CUSTOMERS[event])


def before(event: str) -> Message:
    """What begins the same charge or invoice."""
    kind, _, word = event.partition(".")
    if kind == "invoice":
        return invoice(f"inv_{word}", customer=CUSTOMERS[event], at=EARLY), {}
    return charge(f"chrg_{word}", "PENDING", customer=CUSTOMERS[event], at=EARLY), {}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedNats]:
    with own_nats() as started:
        yield started


@pytest_asyncio.fixture
async def projection(ledgers: TestDatabase, server: EmbeddedNats) -> AsyncIterator[Billing]:
    """The billing projection, with empty streams to be fed by."""
    async with raw_jetstream(server.url) as stream:
        for name, subjects in BILLING_STREAMS.items():
            await stream.add_stream(name=name, subjects=[subjects])
        async with opened_billing(ledgers) as opened:
            yield opened
        for name in BILLING_STREAMS:
            await stream.delete_stream(name)


@asynccontextmanager
async def working(projection: Billing, server: EmbeddedNats) -> AsyncIterator[None]:
    """The workers of both streams, for a block."""
    tasks = [
        asyncio.create_task(run_worker(projection.database, server.url, work))
        for work in works(MasterKeys.from_text(MasterKeys.generate_text()))
        if work.stream in BILLING_STREAMS
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def publish(server: EmbeddedNats, subject: str, *messages: Message) -> None:
    async with raw_jetstream(server.url) as stream:
        for body, headers in messages:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            await stream.publish(subject, content, headers=headers or None)


async def everything_came(projection: Billing, count: int) -> None:
    """Wait until so many messages are in the inbox or parked."""

    async def is_there() -> bool:
        return len(await projection.standings()) + len(await projection.reasons()) == count

    await comes_about(is_there, what=f"{count} messages taken in")


@pytest.mark.parametrize("form", FORMS)
async def test_every_event_moves_the_stats_in_every_form_and_an_unknown_one_is_kept(
    projection: Billing, server: EmbeddedNats, form: str
) -> None:
    async with working(projection, server):
        for event in EVENTS:
            kind = event.partition(".")[0]
            await publish(server, f"{kind}s.{event}", before(event), FORMS[form](envelope_of(event)))
        await everything_came(projection, 2 * len(EVENTS))
    assert await projection.reasons() == []
    found = await stats_of(projection.database, M1, [*CUSTOMERS.values()])
    told = {event: found[customer] for event, customer in CUSTOMERS.items()}
    assert {event: (s.invoice_count, s.charge_count, plain(s.total_spent)) for event, s in told.items()} == (
        EXPECTED
    )
    assert (await projection.standings()).count("unknown") == 1
    await projection.check()


PAID = charge()
WRONG: dict[str, tuple[Message, str]] = {
    "another version, binary": (binary(PAID, PAID, specversion="0.3"), "ce-specversion must be 1.0"),
    "another version, structured": (
        structured(PAID, data=PAID, specversion="2.0"),
        "specversion must be 1.0",
    ),
    "no version": (structured(PAID, data=PAID, specversion=None), "specversion must be 1.0"),
    "a batch": (
        ([attributes(PAID)], {"Content-Type": "application/cloudevents-batch+json"}),
        "the body must be a JSON object, it is an array",
    ),
    "another format": (
        structured(PAID, "application/cloudevents+avro", data=PAID),
        "Content-Type must be application/cloudevents+json, the only format of CloudEvents that is read",
    ),
    "both data": (
        structured(PAID, data=PAID, data_base64=encoded(PAID)),
        "data_base64 must not be given beside data",
    ),
    "no base64": (structured(PAID, data_base64="{}"), "data_base64 must be base64 (RFC 4648, 4)"),
    "base64 of no text": (structured(PAID, data_base64=7), "data_base64 must be a string"),
    "base64 of no JSON": (
        structured(PAID, data_base64=b64encode(b"[]").decode()),
        "of what data_base64 holds, the body must be a JSON object, it is an array",
    ),
    "not UTF-8": (binary(PAID, PAID, id="a%C0%A0"), "ce-id is percent-encoded, and not in UTF-8"),
    "no JSON": (binary(PAID, b"<charge/>"), "the body is not valid JSON"),
}


async def test_what_is_no_such_cloud_event_is_parked_with_the_reason(
    projection: Billing, server: EmbeddedNats
) -> None:
    async with working(projection, server):
        await publish(
            server, "charges.x", *(message for message, _ in WRONG.values()), (charge("chrg_2"), {})
        )
        await everything_came(projection, len(WRONG) + 1)
    reasons = sorted(await projection.reasons())
    expected = sorted(reason for _, reason in WRONG.values())
    assert [told[: len(reason)] for told, reason in zip(reasons, expected, strict=True)] == expected
    assert await projection.standings() == ["linked"]


async def test_the_same_event_binary_and_structured_counts_once(
    projection: Billing, server: EmbeddedNats
) -> None:
    """Its identity is the same; its body is another, which is told, and changes nothing."""
    async with working(projection, server):
        await publish(server, "charges.x", binary(PAID, PAID), structured(PAID, data=PAID))
        await everything_came(projection, 2)
    assert await projection.reasons() == ["an event of the same identity and another body has come before"]
    assert plain((await projection.stats()).total_spent) == "25.00"
