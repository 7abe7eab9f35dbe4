"""Customer events against the schemas that are published of them.

In: a message as the stream has it. Out: nothing, or an AssertionError that says what is not as described.
Members and headers that are not described fail, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs
import orjson
from typing_extensions import TypedDict

from events.wire.json_schemas import schema_of
from events.wire.wire_models import (
    EVENTS,
    ActorId,
    CustomerIds,
    Headers,
    Position,
    Timestamp,
    Unchanged,
    Version,
)
from tests.support.described import closed


class OfNewerRelease(TypedDict):
    """An event that this release stores and cannot read: its ids leave, under its own name."""

    event: str
    timestamp: Timestamp
    data: CustomerIds
    previousAttributes: Unchanged
    version: Version
    position: Position
    actor: ActorId


SAME = {"ce-type": "event", "ce-time": "timestamp"}


def check_message(subject: str, headers: Mapping[str, str], body: bytes) -> None:
    """Fail unless this message is as the schemas of its event and of its headers say."""
    told = orjson.loads(body)
    _check(EVENTS.get(told["event"], OfNewerRelease), told)
    own = {name: value for name, value in headers.items() if not _of_transport(name)}
    _check(Headers, own)
    assert all(own[header] == told[member] for header, member in SAME.items()), (own, told)
    assert int(own["ce-sequence"]) == told["position"]
    assert own["ce-id"] == own["Nats-Msg-Id"]
    merchant = own["ce-source"].removeprefix("/merchants/")
    assert own["ce-subject"] == told["data"]["id"]
    assert subject == f"customers.v1.{merchant}.{told['data']['id']}"


def check_against(model: Any, body: bytes) -> None:
    """Fail unless this JSON is as the model says, without members more."""
    _check(model, orjson.loads(body))


def _of_transport(name: str) -> bool:
    return name.startswith("Nats-") and name != "Nats-Msg-Id"


def _check(model: Any, value: Any) -> None:
    errors = [f"{error.instance_path}: {error.message}" for error in _validator(model).iter_errors(value)]
    assert not errors, f"{errors}: {value}"


@cache
def _validator(model: Any) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(closed(schema_of(model)))
