"""Customer events as they leave: the wire contract of messages.

In: one stored event's columns, and its customer before and after it. Out: a `Message`: the subject,
CloudEvents headers in binary mode (by the NATS binding's working draft after 1.0.2, which is structured
only), and the JSON that is also an item of the event feed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import orjson

from events.customer import MEMBERS, Values
from events.ledger import first_hash
from events.mapper import from_microseconds
from events.rendering import render_customer, render_tombstone

STREAM = "CUSTOMERS"
SUBJECTS = "customers.v1.>"

_SECOND = 1_000_000  # µs


class Message(NamedTuple):
    """What is published: a subject, headers, a body."""

    subject: str
    headers: dict[str, str]
    body: bytes


class Recorded(NamedTuple):
    """One event as the ledger has it; times are µs, `previous_hash` None for a merchant's first event."""

    merchant_id: str
    customer_id: str
    version: int
    topic: str
    position: int
    recorded_at: int
    hash: bytes
    previous_hash: bytes | None
    epoch: int
    metadata: bytes


def event_name(topic: str) -> str:
    """From an event's topic to its name outside: `CustomerCreated` is `customer.created`."""
    return f"customer.{topic.removeprefix('Customer').lower()}"


def subject_of(merchant_id: str, customer_id: str) -> str:
    """Where the messages about a customer are published; `*` for the customer means all of the merchant's."""
    return f"customers.v1.{merchant_id}.{customer_id}"


def customer_message(event: Recorded, created: int, before: Values | None, after: Values | None) -> Message:
    """The message of an event. `created` is in seconds; `after` None for a customer that is deleted by it."""
    if after is None:
        data = render_tombstone(event.customer_id)
    else:
        data = render_customer(event.customer_id, after, created, event.recorded_at // _SECOND)
    changed_from = previous_attributes(before, after) if before and after else {}
    return _message(event, data, changed_from)


def unreadable_message(event: Recorded) -> Message:
    """What can be told of an event whose values cannot be opened (any more): ids only."""
    return _message(event, orjson.dumps({"id": event.customer_id, "object": "customer"}), {})


def previous_attributes(before: Values, after: Values) -> dict[str, Any]:
    """The merge patch (RFC 7396) that takes `after` back to `before`: null for what was not set."""
    return {
        member: _difference(before[member], after[member])
        for member in MEMBERS
        if before[member] != after[member]
    }


def _difference(before: Any, after: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return before
    return {key: before.get(key) for key in before | after if before.get(key) != after.get(key)}


def _message(event: Recorded, data: bytes, changed_from: dict[str, Any]) -> Message:
    metadata = orjson.loads(event.metadata)
    name = event_name(event.topic)
    moment = rfc3339(from_microseconds(event.recorded_at))
    body = orjson.dumps(
        {
            "event": name,
            "timestamp": moment,
            "data": orjson.Fragment(data),
            "previousAttributes": changed_from,
            "version": event.version,
            "position": event.position,
            "actor": metadata.get("actor"),
        }
    )
    hash_, previous = event.hash.hex(), (event.previous_hash or first_hash(event.merchant_id)).hex()
    identity = f"{event.customer_id}-{event.version}-{hash_[:16]}"
    headers = {
        "ce-specversion": "1.0",
        "ce-id": identity,
        "ce-source": f"/merchants/{event.merchant_id}",
        "ce-type": name,
        "ce-subject": event.customer_id,
        "ce-time": moment,
        "ce-datacontenttype": "application/json",
        "ce-sequence": f"{event.position:020}",
        "ce-prevhash": previous,
        "ce-hash": hash_,
        "ce-epoch": str(event.epoch),
        "Nats-Msg-Id": identity,
    }
    if "traceparent" in metadata:
        headers["ce-traceparent"] = metadata["traceparent"]
    return Message(subject_of(event.merchant_id, event.customer_id), headers, body)


def rfc3339(moment: datetime) -> str:
    """UTC with six digits of a second, `2026-11-22T10:37:53.586050Z`."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
