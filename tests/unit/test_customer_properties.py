"""The aggregate by properties: whatever is asked of a customer, its events say what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events.customer import Customer, Values
from events.errors import CustomerDeleted
from events.mapper import mapper_with
from events.sealing import DataKey
from tests.support.cases import (
    CUSTOMER,
    MERCHANT,
    apply_event,
    changes,
    customer_values,
    folded,
    moment,
)

DELETE = "delete"
KEY = DataKey(bytes(range(32)))

orders = st.lists(changes | st.just(DELETE), max_size=12)
"""What is asked of a customer: new values of some members, or its deletion."""


@dataclass
class Model:
    """What a customer is, said without events."""

    values: Values
    deleted: bool = False
    versions: int = 1
    """How many orders changed something, and the creation."""

    def take(self, order: Any) -> None:
        before = (self.values, self.deleted)
        if order == DELETE:
            self.deleted = True
        elif not self.deleted:
            self.values = self.values | order
        self.versions += (self.values, self.deleted) != before


def obey(customer: Customer, order: Any) -> None:
    """Give one order to the aggregate; a deleted customer refuses changes."""
    time = moment(customer.version + 1)
    if order == DELETE:
        customer.delete(time)
        return
    was_deleted = customer.deleted
    try:
        customer.update(customer.values | order, time)
    except CustomerDeleted:
        assert was_deleted
    else:
        assert not was_deleted


def lived(values: Values, given_orders: list[Any]) -> tuple[Customer, list[Any]]:
    """A customer that got these orders, and its events."""
    customer = Customer.create(CUSTOMER, MERCHANT, values, moment(1))
    for order in given_orders:
        obey(customer, order)
    return customer, list(customer.collect_events())


@given(customer_values, orders)
def test_folding_the_events_equals_applying_the_orders_to_a_dict(
    values: Values, given_orders: list[Any]
) -> None:
    model = Model(values)
    for order in given_orders:
        model.take(order)
    customer, events = lived(values, given_orders)
    assert (customer.values, customer.deleted, customer.version) == (
        model.values,
        model.deleted,
        model.versions,
    )
    assert folded(events) == customer


@given(customer_values, orders)
def test_every_event_names_exactly_the_members_whose_values_it_holds(
    values: Values, given_orders: list[Any]
) -> None:
    _, events = lived(values, given_orders)
    assert [event.originator_version for event in events] == list(range(1, len(events) + 1))
    for event in events:
        if not isinstance(event, Customer.Deleted):
            assert event.members == list(event.personal.values)
            assert event.members
            assert event.personal.version == event.originator_version


@given(customer_values, orders)
def test_no_event_changes_nothing(values: Values, given_orders: list[Any]) -> None:
    _, events = lived(values, given_orders)
    customer = apply_event(None, events[0])
    for event in events[1:]:
        before = (customer.values, customer.deleted)
        customer = apply_event(customer, event)
        assert (customer.values, customer.deleted) != before


@given(customer_values, orders)
def test_the_fold_of_what_was_sealed_and_opened_equals_the_direct_fold(
    values: Values, given_orders: list[Any]
) -> None:
    customer, events = lived(values, given_orders)
    mapper = mapper_with(KEY)
    read = [mapper.to_domain_event(mapper.to_stored_event(event)) for event in events]
    assert read == events
    assert folded(read) == customer


@given(customer_values, orders, st.data())
def test_a_snapshot_at_any_point_and_the_rest_equal_the_whole(
    values: Values, given_orders: list[Any], data: st.DataObject
) -> None:
    customer, events = lived(values, given_orders)
    point = data.draw(st.integers(1, len(events)), label="events before the snapshot")
    mapper = mapper_with(KEY)
    taken = Customer.Snapshot.take(folded(events[:point]))
    snapshot = mapper.to_domain_event(mapper.to_stored_event(taken))
    assert snapshot == taken
    assert folded([snapshot, *events[point:]]) == customer
