"""The aggregate by examples: given events, when commands, then events."""

from __future__ import annotations

import pytest
from eventsourcing.domain import OriginatorIDError, OriginatorVersionError

from events.customer import MEMBERS, Customer
from events.errors import CustomerDeleted
from tests.support.cases import (
    ACME,
    ADDRESS,
    CUSTOMER,
    JOHN,
    MERCHANT,
    created,
    creating,
    deleted,
    deleting,
    erased,
    erasing,
    folded,
    given,
    moment,
    unopened,
    updated,
    updating,
)


def test_creating_names_the_members_that_are_set_and_leaves_out_the_others() -> None:
    event = created(JOHN)
    assert event.members == ["email", "name"]
    assert event.personal.values == {"email": "john@example.com", "name": "John Doe"}
    given().when(creating(JOHN)).then(event)


def test_creating_with_every_member_names_them_in_the_order_of_the_contract() -> None:
    event = created(ACME)
    given().when(creating(ACME)).then(event)
    assert event.members == list(MEMBERS)


def test_a_new_customer_has_its_merchant_its_values_and_its_time() -> None:
    customer = given().when(creating(JOHN)).then(created(JOHN))
    assert (customer.id, customer.version, customer.merchant_id) == (CUSTOMER, 1, MERCHANT)
    assert customer.values == JOHN
    assert list(customer.values) == list(MEMBERS)
    assert customer.created_on == customer.modified_on == moment(1)
    assert not customer.deleted


def test_updating_writes_only_what_changed() -> None:
    customer = (
        given(created(JOHN))
        .when(updating(name="J", phone=None, taxId="1"))
        .then(updated(2, name="J", taxId="1"))
    )
    assert customer.values == JOHN | {"name": "J", "taxId": "1"}
    assert (customer.created_on, customer.modified_on) == (moment(1), moment(2))


def test_updating_to_the_same_values_is_no_event_and_moves_nothing() -> None:
    customer = given(created(ACME)).when(updating(**ACME)).then()
    assert (customer.version, customer.modified_on) == (1, moment(1))


def test_an_equal_address_in_another_order_is_no_change() -> None:
    given(created(ACME)).when(updating(address=dict(reversed(ADDRESS.items())))).then()


def test_clearing_a_member_is_a_change_to_none() -> None:
    customer = (
        given(created(ACME))
        .when(updating(address=None, metadata=None))
        .then(updated(2, address=None, metadata=None))
    )
    assert customer.values == ACME | {"address": None, "metadata": None}


def test_an_address_is_written_whole_although_one_line_of_it_changed() -> None:
    moved = ADDRESS | {"line2": None}
    given(created(ACME)).when(updating(address=moved)).then(updated(2, address=moved))


def test_commands_follow_each_other_version_by_version() -> None:
    given().when(creating(JOHN), updating(name="J"), updating(name="K"), deleting()).then(
        created(JOHN), updated(2, name="J"), updated(3, name="K"), deleted(4)
    )


def test_deleting_is_one_event_and_leaves_the_values_to_whoever_needs_them_again() -> None:
    customer = given(created(JOHN)).when(deleting()).then(deleted(2))
    assert customer.deleted
    assert customer.values == JOHN


def test_deleting_twice_is_one_event() -> None:
    given(created(JOHN), deleted(2)).when(deleting()).then()


def test_updating_a_deleted_customer_is_refused() -> None:
    given(created(JOHN), deleted(2)).when(updating(name="J")).refused(CustomerDeleted)


def test_updating_a_deleted_customer_to_what_it_was_is_refused_too() -> None:
    given(created(JOHN), deleted(2)).when(updating()).refused(CustomerDeleted)


def test_the_customers_own_change_does_not_alter_the_events_before_it() -> None:
    first = created(JOHN)
    given(first).when(updating(name="J")).then(updated(2, name="J"))
    assert first == created(JOHN)


def test_an_event_out_of_sequence_or_of_another_customer_is_refused() -> None:
    with pytest.raises(OriginatorVersionError):
        folded([created(JOHN), updated(3, name="J")])
    other = Customer.create("cus_01jd4q8w9zexampxexampxe002", MERCHANT, JOHN, moment(1))
    with pytest.raises(OriginatorIDError):
        folded([updated(2, name="J")], other)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_erasing_leaves_a_tombstone_without_values(is_deleted: bool) -> None:
    history = [created(ACME), *([deleted(2)] if is_deleted else [])]
    version = len(history) + 1
    customer = given(*history).when(erasing()).then(erased(version))
    assert (customer.deleted, customer.erased, customer.erased_in) == (True, True, version)
    assert customer.values == dict.fromkeys(MEMBERS)


def test_erasing_deleting_and_updating_what_is_erased_does_nothing() -> None:
    history = given(created(JOHN), erased(2))
    history.when(erasing()).then()
    history.when(deleting()).then()
    history.when(updating(name="Back")).refused(CustomerDeleted)


def test_who_is_erased_is_so_as_of_every_version_and_never_an_empty_live_customer() -> None:
    history = [unopened(created(JOHN)), unopened(updated(2, name="J")), deleted(3), erased(4)]
    for version in range(1, 5):
        customer = folded(history[:version])
        assert customer is not None
        assert (customer.version, customer.deleted, customer.erased) == (version, True, True)
        assert customer.erased_in == (4 if version == 4 else None)
        assert customer.values == dict.fromkeys(MEMBERS)


def test_a_kept_customer_is_erased_by_the_first_event_that_does_not_open() -> None:
    kept = folded([created(JOHN)])
    customer = folded([unopened(updated(2, name="J"))], kept)
    assert customer is not None
    assert (customer.erased, customer.values) == (True, dict.fromkeys(MEMBERS))


def test_a_snapshot_that_does_not_open_is_of_an_erased_customer() -> None:
    customer = unopened(Customer.Snapshot.take(folded([created(JOHN)]))).mutate(None)
    assert (customer.version, customer.deleted, customer.erased) == (1, True, True)


def test_the_ledgers_time_of_the_first_event_is_when_the_customer_was_created() -> None:
    customer = Customer.create(CUSTOMER, MERCHANT, JOHN, moment(1))
    customer.recorded(moment(100))
    assert customer.created_on == customer.modified_on == moment(100)


def test_the_ledgers_time_of_a_later_event_leaves_created_as_it_is() -> None:
    customer = folded([created(JOHN), updated(2, name="J")])
    assert customer is not None
    customer.recorded(moment(100))
    assert (customer.created_on, customer.modified_on) == (moment(1), moment(100))


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_restored_customer_is_the_one_that_was_kept(is_deleted: bool) -> None:
    history = [created(ACME), updated(2, name="J"), *([deleted(3)] if is_deleted else [])]
    kept = folded(history)
    assert kept is not None
    restored = Customer.restore(
        kept.id,
        kept.version,
        kept.merchant_id,
        kept.values,
        created_on=kept.created_on,
        modified_on=kept.modified_on,
        deleted=kept.deleted,
    )
    assert restored == kept


def test_a_restored_customer_goes_on_where_the_kept_one_stood() -> None:
    restored = Customer.restore(
        CUSTOMER, 7, MERCHANT, JOHN, created_on=moment(1), modified_on=moment(7), deleted=False
    )
    restored.update(restored.values | {"name": "J"}, moment(8))
    assert restored.collect_events() == [updated(8, name="J")]
    assert (restored.version, restored.created_on, restored.modified_on) == (8, moment(1), moment(8))


def test_a_snapshot_says_when_the_customer_was_created_and_last_changed() -> None:
    customer = folded([created(JOHN), updated(2, name="J"), deleted(3)])
    snapshot = Customer.Snapshot.take(customer)
    assert (snapshot.originator_version, snapshot.created_on, snapshot.timestamp) == (3, moment(1), moment(3))
    assert snapshot.personal.version == 3
    assert snapshot.deleted
    assert snapshot.mutate(None) == customer


def test_no_personal_value_shows_in_the_text_of_a_customer_or_its_events() -> None:
    customer = given().when(creating(ACME)).then(created(ACME))
    for shown in (customer, created(ACME), updated(2, name=ACME["name"]), Customer.Snapshot.take(customer)):
        for value in ("Jane", "+1234567890", "Main St", "Acme", "12-3456789", "VIP", "gold"):
            assert value not in repr(shown)
