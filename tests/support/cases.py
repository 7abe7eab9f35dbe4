"""Named examples, and the way the aggregate's tests are told: given events, when commands, then events.

In: invented people and moments. Out: `given(created()).when(updating(name="J")).then(updated(2, name="J"))`.
A version's event happens `version` seconds after midnight, so that tests need no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import pytest
from hypothesis import strategies as st

from events.customer import MEMBERS, Customer, Personal, Values

MERCHANT = "mer_01jd4q8w9zexampxexampxe001"
CUSTOMER = "cus_01jd4q8w9zexampxexampxe000"
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)

ADDRESS = {
    "line1": "123 Main St",
    "line2": "Apt 4B",
    "city": "San Francisco",
    "state": "CA",
    "postalCode": "94102",
    "country": "US",
}
UNSET: Values = dict.fromkeys(MEMBERS)
JOHN: Values = UNSET | {"email": "john@example.com", "name": "John Doe"}
ACME: Values = {
    "email": "Jane.Doe@example.org",
    "name": "Jane Doe",
    "phone": "+1234567890",
    "address": ADDRESS,
    "companyName": "Acme Inc",
    "taxId": "12-3456789",
    "description": "VIP customer",
    "metadata": {"tier": "gold", "source": "referral"},
}

Command = Callable[[Customer | None], Customer]
"""From a customer (None: there is none yet) to what it is after the command."""


def moment(version: int) -> datetime:
    """When the event of this version happens."""
    return MIDNIGHT + timedelta(seconds=version)


def make_event(event_class: Any, **members: Any) -> Any:
    """An event, by its members. The library makes constructors that type checkers cannot see."""
    return event_class(**members)


def created(values: Values = JOHN) -> Any:
    """The event that begins a customer with these values."""
    given_values = {member: value for member, value in values.items() if value is not None}
    return make_event(
        Customer.Created,
        originator_id=CUSTOMER,
        originator_version=1,
        timestamp=moment(1),
        merchant_id=MERCHANT,
        originator_topic="Customer",
        members=list(given_values),
        personal=Personal(MERCHANT, CUSTOMER, 1, given_values),
    )


def updated(version: int, **changed: Any) -> Any:
    """The event that these members changed."""
    return make_event(
        Customer.Updated,
        originator_id=CUSTOMER,
        originator_version=version,
        timestamp=moment(version),
        merchant_id=MERCHANT,
        members=list(changed),
        personal=Personal(MERCHANT, CUSTOMER, version, changed),
    )


def deleted(version: int) -> Any:
    """The event of a deletion."""
    return make_event(
        Customer.Deleted,
        originator_id=CUSTOMER,
        originator_version=version,
        timestamp=moment(version),
        merchant_id=MERCHANT,
    )


def erased(version: int) -> Any:
    """The event of an erasure."""
    return make_event(
        Customer.Erased,
        originator_id=CUSTOMER,
        originator_version=version,
        timestamp=moment(version),
        merchant_id=MERCHANT,
    )


def unopened(event: Any) -> Any:
    """An event as it is read once its customer's data key was destroyed."""
    event.__dict__["personal"] = Personal(MERCHANT, CUSTOMER, event.originator_version, {}, erased=True)
    return event


def creating(values: Values = JOHN) -> Command:
    """Create a customer with these values."""

    def command(customer: Customer | None) -> Customer:
        assert customer is None
        return Customer.create(CUSTOMER, MERCHANT, values, moment(1))

    return command


def updating(**changes: Any) -> Command:
    """Change these members and leave the others as they are."""

    def command(customer: Customer | None) -> Customer:
        assert customer is not None
        customer.update(customer.values | changes, moment(customer.version + 1))
        return customer

    return command


def deleting() -> Command:
    """Delete the customer."""

    def command(customer: Customer | None) -> Customer:
        assert customer is not None
        customer.delete(moment(customer.version + 1))
        return customer

    return command


def erasing() -> Command:
    """Erase the customer."""

    def command(customer: Customer | None) -> Customer:
        assert customer is not None
        customer.erase(moment(customer.version + 1))
        return customer

    return command


def apply_event(customer: Customer | None, event: Any) -> Customer:
    """The customer after one more event."""
    after = event.mutate(customer)
    assert isinstance(after, Customer)
    return after


def folded(events: Iterable[Any], start: Customer | None = None) -> Customer | None:
    """The customer that these events amount to, from `start` on."""
    return reduce(apply_event, events, start)


class Given:
    """What has happened already."""

    def __init__(self, events: Sequence[Any]) -> None:
        self._events = events

    def when(self, *commands: Command) -> When:
        """What is asked, one after another."""
        return When(self._events, commands)


class When:
    """Commands on what has happened. Exactly one of the endings checks them."""

    def __init__(self, events: Sequence[Any], commands: Sequence[Command]) -> None:
        self._events = events
        self._commands = commands

    def then(self, *expected: Any) -> Customer:
        """Exactly these events follow, and folding them gives the customer that is returned."""
        customer = self._run()
        follow = customer.collect_events()
        assert list(follow) == list(expected)
        assert folded([*self._events, *follow]) == customer
        return customer

    def refused(self, error: type[Exception]) -> None:
        """The last command raises this."""
        with pytest.raises(error):
            self._run()

    def _run(self) -> Customer:
        customer = folded(self._events)
        for command in self._commands:
            customer = command(customer)
        assert customer is not None
        return customer


def given(*events: Any) -> Given:
    """These events have happened."""
    return Given(events)


def _texts(most: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=most)


addresses = st.fixed_dictionaries({member: st.none() | _texts(8) for member in ADDRESS})
metadata = st.dictionaries(_texts(5) | st.sampled_from(["_type_", "_data_"]), _texts(8), max_size=4)
_members: dict[str, st.SearchStrategy[Any]] = {
    member: st.none() | {"address": addresses, "metadata": metadata}.get(member, _texts(8))
    for member in MEMBERS
} | {"email": _texts(8), "name": _texts(8)}
customer_values: st.SearchStrategy[Values] = st.fixed_dictionaries(_members)
"""Values of all eight members, any of them but email and name unset."""

changes: st.SearchStrategy[Values] = st.fixed_dictionaries({}, optional=_members)
"""New values of some members."""
