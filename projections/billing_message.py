"""Charge and invoice messages as they arrive: a delivery in, a `BillingEvent` out, or the reason why not.

Read are the family's envelope (`event`, `timestamp`, `data`), alone or within CloudEvents 1.0, binary (`ce-`
headers) or structured; within CloudEvents the object itself may stand in place of the envelope. Pure: whether
merchant and customer exist is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from events.moments import read_rfc3339
from events.strict_json import NotReadable, StrictReader
from events.wire.patterns import CURRENCY
from projections.billing_terms import (
    AMOUNT,
    CHARGE_EVENTS,
    CHARGE_STATUSES,
    INVOICE_EVENTS,
    MAX_DEPTH,
    SPECVERSION,
    TEXT_LENGTH,
)
from projections.cloud_events import BadCloudEvent, attributes_of, data_of, is_binary, is_structured
from projections.delivery import Delivery

CHARGE, INVOICE, OTHER = "charge", "invoice", "other"
LINKED, UNLINKED, UNKNOWN = "linked", "unlinked", "unknown"


def _unread(_: str) -> int:
    """Numbers are read as 0: nobody reads any, and they may be of any length."""
    return 0


_READER = StrictReader(MAX_DEPTH, integer=_unread, decimal=_unread)
_AMOUNT = re.compile(AMOUNT)
_CURRENCY = re.compile(CURRENCY)
_STATUSES = frozenset(CHARGE_STATUSES)


class BadMessage(Exception):
    """A message that cannot be applied; `str(error)` names the member at fault and repeats no value of it."""

    merchant_id: str | None = None


class BillingEvent(NamedTuple):
    """What a message says. `standing` tells whether it counts: linked (it does), unlinked, unknown.

    (stream, merchant_id, identity) is the event's identity, `fingerprint` what must be equal when it comes
    again. `occurred_at` is in µs. An invoice's `status` is the last word of its event.
    """

    stream: str
    merchant_id: str
    identity: str
    fingerprint: bytes
    kind: str
    event: str
    occurred_at: int
    standing: str
    object_id: str | None
    customer_id: str | None
    status: str | None
    amount: str | None
    currency: str | None


class _Message(NamedTuple):
    """The parts of a message, unchecked. `bare`: they are attributes and the object, without envelope."""

    event: Any
    timestamp: Any
    data: Any
    identity: str
    bare: bool


def read_message(delivery: Delivery) -> BillingEvent:
    """What the message says. Raises BadMessage."""
    message = _unpack(delivery)
    data = message.data
    if type(data) is not dict:
        raise BadMessage("data is required" if data is None else "data must be an object")
    merchant_id = _checked(data.get("merchantId"), "data.merchantId")
    try:
        return _read(delivery, message, data, merchant_id)
    except BadMessage as error:
        error.merchant_id = merchant_id
        raise


def _read(delivery: Delivery, message: _Message, data: dict[str, Any], merchant_id: str) -> BillingEvent:
    event = _checked(message.event, "type" if message.bare else "event")
    moment = _checked(message.timestamp, "time" if message.bare else "timestamp")
    reader = _READERS.get(event)
    read = reader(event, data) if reader else _UNKNOWN
    told = f"{event}\n{moment}\n".encode() if message.bare else b""
    return BillingEvent(
        delivery.stream,
        merchant_id,
        message.identity,
        sha256(told + delivery.body).digest(),
        _kind(event),
        event,
        read_moment(moment, "time" if message.bare else "timestamp"),
        *read,
    )


# What is around the data


def _unpack(delivery: Delivery) -> _Message:
    headers = {name.lower(): value for name, value in delivery.headers.items()}
    try:
        content = _READER.read(delivery.body)
        if is_structured(headers):
            return _unpack_cloud_event(content, data_of(content, _READER.read), "")
        if is_binary(headers):
            return _unpack_cloud_event(attributes_of(headers), content, "ce-")
    except (NotReadable, BadCloudEvent) as error:
        raise BadMessage(str(error)) from None
    return _unpack_envelope(content, _plain_identity(headers, delivery.body))


def _unpack_cloud_event(attributes: Mapping[str, Any], content: Any, prefix: str) -> _Message:
    if attributes.get("specversion") != SPECVERSION:
        raise BadMessage(f"{prefix}specversion must be {SPECVERSION}")
    source, id_ = _text(attributes, "source", prefix), _text(attributes, "id", prefix)
    identity = "ce:" + orjson.dumps([source, id_]).decode()
    if type(content) is not dict:
        raise BadMessage("data is required" if content is None else "data must be an object")
    if "event" in content or "data" in content:
        return _unpack_envelope(content, identity)
    return _Message(attributes.get("type"), attributes.get("time"), content, identity, bare=True)


def _unpack_envelope(content: Mapping[str, Any], identity: str) -> _Message:
    return _Message(content.get("event"), content.get("timestamp"), content.get("data"), identity, bare=False)


def _plain_identity(headers: Mapping[str, str], body: bytes) -> str:
    if headers.get("nats-msg-id"):
        return "id:" + _checked(headers["nats-msg-id"], "Nats-Msg-Id")
    return "sha256:" + sha256(body).hexdigest()


# What is in the data


def _kind(event: str) -> str:
    kind = event.partition(".")[0]
    return kind if kind in {CHARGE, INVOICE} else OTHER


_UNKNOWN = (UNKNOWN, None, None, None, None, None)

_Read = tuple[str, str | None, str | None, str | None, str | None, str | None]
"""The members of a BillingEvent from `standing` on."""


def _charge(_: str, data: Mapping[str, Any]) -> _Read:
    charge_id, customer_id = _checked(data.get("id"), "data.id"), _customer(data)
    status = _checked(data.get("status"), "data.status")
    amount, currency = (
        _checked(data.get("amount"), "data.amount"),
        _checked(data.get("currency"), "data.currency"),
    )
    if not _AMOUNT.fullmatch(amount):
        raise BadMessage("data.amount must be a decimal of at most 30 digits and 18 decimals, not negative")
    if not _CURRENCY.fullmatch(currency):
        raise BadMessage("data.currency must be a code of 2 to 16 of A-Z 0-9, a letter first")
    standing = _standing(customer_id) if status in _STATUSES else UNKNOWN
    return standing, charge_id, customer_id, status, amount, currency


def _invoice(event: str, data: Mapping[str, Any]) -> _Read:
    invoice_id, customer_id = _checked(data.get("id"), "data.id"), _customer(data)
    return _standing(customer_id), invoice_id, customer_id, event.partition(".")[2], None, None


_READERS = dict.fromkeys(CHARGE_EVENTS, _charge) | dict.fromkeys(INVOICE_EVENTS, _invoice)


def _customer(data: Mapping[str, Any]) -> str | None:
    return None if data.get("customerId") is None else _checked(data.get("customerId"), "data.customerId")


def _standing(customer_id: str | None) -> str:
    return UNLINKED if customer_id is None else LINKED


def read_moment(text: str, name: str) -> int:
    """A time of RFC 3339 as µs since 1970; a leap second counts into the next one. Raises BadMessage."""
    try:
        return read_rfc3339(text)
    except ValueError as error:
        raise BadMessage(f"{name} {error}") from None


def _text(members: Mapping[str, Any], name: str, prefix: str) -> str:
    return _checked(members.get(name), prefix + name)


def _checked(value: Any, name: str) -> str:
    if type(value) is str and 0 < len(value) <= TEXT_LENGTH and value.isprintable():
        return value
    raise BadMessage(f"{name} {_fault(value)}")


def _fault(value: Any) -> str:
    if value is None:
        return "is required"
    if type(value) is not str:
        return "must be a string"
    if not value:
        return "must not be empty"
    if len(value) > TEXT_LENGTH:
        return f"is longer than {TEXT_LENGTH} characters"
    return "has a character that cannot be printed"
