"""Folding: a customer brought forward by one stored event.

In: the customer before the event (None before its first), the event as it is stored, the customer's data key.
Out: the customer after it.

The library's mapper and our event classes say what an event means, and read every event there is. What is
stored in the form that is written now, which is nearly all, is read here straight from its state: to the same
end, in little more than half the time. Whatever has another form (an earlier version of its class, a topic or
a member that is not known here, a destroyed data key) is left to the library. The time in the state and the
names of its members are not looked at: the ledger's time counts, and the values have their own names.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import orjson
from eventsourcing.domain import EventSourcingError
from eventsourcing.persistence import StoredEvent
from eventsourcing.utils import TopicError

from events.customer import MEMBERS, Customer
from events.errors import EventUnreadable
from events.mapper import from_microseconds, mapper_with, to_domain_event
from events.sealing import DataKey


class Stored(NamedTuple):
    """An event of a customer as the store has it; `recorded_at` in µs."""

    customer_id: str
    version: int
    topic: str
    state: bytes
    recorded_at: int


def advance(before: Customer | None, stored: Stored, data_key: DataKey | None) -> Customer | None:
    """The customer after the event; `before` is no more. Raises StoreError: the event cannot be read."""
    if type(data_key) is DataKey:
        after = _advance_straight(before, stored, data_key)
        if after is not None:
            return after
    event = StoredEvent(*stored[:4])
    try:
        return to_domain_event(mapper_with(data_key), event, stored.recorded_at).mutate(before)
    except _MALFORMED as error:
        what = f"{stored.topic} of {stored.customer_id} version {stored.version}"
        raise EventUnreadable(f"{what} cannot be applied: {type(error).__name__}") from error


_MALFORMED = (EventSourcingError, TopicError, AttributeError, TypeError, ValueError)
"""What the library and our events raise of a state that lacks what it should have: one customer's trouble."""


_EVENTS: dict[str, tuple[Any, frozenset[str]]] = {
    Customer.Created.TOPIC: (
        Customer.Created,
        frozenset(("timestamp", "merchant_id", "originator_topic", "members", "personal")),
    ),
    Customer.Updated.TOPIC: (
        Customer.Updated,
        frozenset(("timestamp", "merchant_id", "members", "personal")),
    ),
    Customer.Deleted.TOPIC: (Customer.Deleted, frozenset(("timestamp", "merchant_id"))),
}
"""Events that are read straight, and the members of their states."""
_TRANSCODED = frozenset(("_type_", "_data_"))
_SEALED = frozenset(("merchant_id", "customer_id", "version", "blob"))


def _advance_straight(before: Customer | None, stored: Stored, data_key: DataKey) -> Customer | None:
    """The customer after the event, None if the event's form is not the one expected. Raises SealBroken."""
    event_class, members = _EVENTS.get(stored.topic, (None, None))
    if event_class is None or getattr(event_class, "class_version", 1) != 1:
        return None
    state = _loads(stored.state)
    if type(state) is not dict or state.keys() != members or type(state["merchant_id"]) is not str:
        return None
    moment = from_microseconds(stored.recorded_at)
    if event_class is Customer.Created:
        return _create(before, stored, state, moment, data_key)
    if before is None or before.id != stored.customer_id or before.version + 1 != stored.version:
        return None
    if event_class is Customer.Deleted:
        before.deleted = True
    else:
        sealed = _sealed(state)
        if sealed is None:
            return None
        before.values = before.values | data_key.open_values(**sealed)
    before.version = stored.version
    before.modified_on = moment
    return before


def _create(
    before: Customer | None, stored: Stored, state: dict[str, Any], moment: datetime, data_key: DataKey
) -> Customer | None:
    sealed = _sealed(state)
    if before is not None or sealed is None or state["originator_topic"] != Customer.TOPIC:
        return None
    return Customer.restore(
        stored.customer_id,
        stored.version,
        state["merchant_id"],
        _UNSET | data_key.open_values(**sealed),
        created_on=moment,
        modified_on=moment,
        deleted=False,
    )


_UNSET = dict.fromkeys(MEMBERS)


def _sealed(state: dict[str, Any]) -> dict[str, Any] | None:
    """What the personal values are opened by; None if it is not written as expected."""
    personal: Any = state["personal"]
    if type(personal) is not dict or personal.keys() != _TRANSCODED or personal["_type_"] != "sealed":
        return None
    sealed: Any = personal["_data_"]
    if type(sealed) is not dict or sealed.keys() != _SEALED or type(sealed["blob"]) is not str:
        return None
    return sealed


def _loads(state: bytes) -> Any:
    try:
        return orjson.loads(state)
    except orjson.JSONDecodeError:
        return None
