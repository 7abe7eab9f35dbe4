"""Folding straight from stored states: whatever was stored, it comes to what the library makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import orjson
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from events.customer import Customer, Values
from events.errors import DataKeyMissing, EventUnreadable, SealBroken, StoreError
from events.folding import Stored, advance
from events.mapper import mapper_with, to_domain_event, to_microseconds
from events.sealing import KEY_BYTES, DataKey, ErasedKey
from tests.support.cases import ACME, CUSTOMER, JOHN, changes, created, deleted, erased, moment, updated

KEY = DataKey(bytes(range(KEY_BYTES)))
OTHER_KEY = DataKey(bytes(KEY_BYTES))
Way = Callable[[Customer | None, Stored, DataKey | None], Customer | None]
DEEP = [created(ACME), updated(2, name="Jo", phone=None), updated(3, metadata=None), deleted(4), erased(5)]


def stored(events: Sequence[Any]) -> list[Stored]:
    """Events as the store has them, recorded half a second after they were made."""
    rows = [mapper_with(KEY).to_stored_event(event) for event in events]
    return [
        Stored(CUSTOMER, row.originator_version, row.topic, row.state, 500_000 + to_microseconds(moment(n)))
        for n, row in enumerate(rows, 1)
    ]


def by_the_library(before: Customer | None, one: Stored, key: DataKey | None) -> Customer | None:
    """The reference."""
    event = StoredEvent(one.customer_id, one.version, one.topic, one.state)
    return to_domain_event(mapper_with(key), event, one.recorded_at).mutate(before)


def everything(customer: Customer | None) -> dict[str, Any] | None:
    """All that a customer is."""
    return deepcopy(vars(customer)) if customer is not None else None


def attempted(
    way: Way, before: Customer | None, row: Stored, key: DataKey | None
) -> tuple[Customer | None, StoreError | None]:
    """The customer after the event, or the one before it and why it cannot be read."""
    try:
        return way(before, row, key), None
    except StoreError as error:
        return before, error


def check_same(rows: Sequence[Stored], key: DataKey | None = KEY) -> None:
    """Both ways lead to the same customers, or fail alike."""
    straight = reference = None
    for row in rows:
        reference, expected = attempted(by_the_library, reference, row, key)
        straight, error = attempted(advance, straight, row, key)
        assert (type(error), str(error)) == (type(expected), str(expected))
        assert everything(straight) == everything(reference)
        if error is not None:
            return


@given(changes, st.lists(changes, max_size=4), st.booleans())
def test_every_history_is_read_as_the_library_reads_it(
    values: Values, changed: list[Values], is_deleted: bool
) -> None:
    events = [created(values), *(updated(n, **one) for n, one in enumerate(changed, 2))]
    check_same(stored([*events, deleted(len(events) + 1)] if is_deleted else events))


@pytest.mark.parametrize("key", [KEY, ErasedKey(), OTHER_KEY, None], ids=["its", "erased", "other", "gone"])
def test_whatever_key_there_is_leads_to_what_the_library_makes_of_it(key: DataKey | None) -> None:
    check_same(stored(DEEP), key)
    check_same(stored(DEEP[:1]), key)


def test_usual_events_do_not_take_the_librarys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.folding.to_domain_event", lambda *_: pytest.fail("the library was asked"))
    customer: Customer | None = None
    for row in stored(DEEP[:4]):
        customer = advance(customer, row, KEY)
    assert customer is not None
    assert (customer.version, customer.deleted, customer.values["name"]) == (4, True, "Jo")


def test_an_event_of_an_earlier_class_is_upcast(monkeypatch: pytest.MonkeyPatch) -> None:
    def upcast(state: dict[str, Any]) -> None:
        state["personal"].values["name"] = state["personal"].values["name"].upper()

    first, second = stored([created(JOHN), updated(2, name="Jo")])
    customer = advance(None, first, KEY)
    monkeypatch.setattr(Customer.Updated, "class_version", 2, raising=False)
    monkeypatch.setattr(Customer.Updated, "upcast_v1_v2", staticmethod(upcast), raising=False)
    customer = advance(customer, second, KEY)
    assert customer is not None
    assert customer.values["name"] == "JO"


def tampered(row: Stored, **changed: Any) -> Stored:
    """The same event with other members in its state; None removes one."""
    state = orjson.loads(row.state) | changed
    return row._replace(state=orjson.dumps({name: one for name, one in state.items() if one is not None}))


def sealed(row: Stored, **changed: Any) -> Stored:
    """The same event with something else about its seal."""
    personal = orjson.loads(row.state)["personal"]
    return tampered(row, personal=personal | {"_data_": personal["_data_"] | changed})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda row: sealed(row, blob="AAAA"), SealBroken),
        (lambda row: sealed(row, blob="no base64"), SealBroken),
        (lambda row: sealed(row, version=7), SealBroken),
        (lambda row: sealed(row, merchant_id="mer_other"), SealBroken),
        (lambda row: sealed(row, blob=5), EventUnreadable),
        (lambda row: sealed(row, more=5), EventUnreadable),
        (lambda row: row._replace(state=b"{"), EventUnreadable),
        (lambda row: row._replace(topic="CustomerForgotten"), EventUnreadable),
    ],
)
def test_what_was_tampered_with_is_refused_as_the_library_refuses_it(change: Any, error: type) -> None:
    row = change(stored([created(ACME)])[0])
    check_same([row])
    with pytest.raises(error):
        advance(None, row, KEY)


@pytest.mark.parametrize(
    ("number", "changed"),
    [
        (0, {"personal": "nothing"}),
        (0, {"personal": {}}),
        (0, {"merchant_id": None}),
        (0, {"originator_topic": "Nobody"}),
        (1, {"personal": "nothing"}),
        (1, {"personal": {"_type_": "sealed"}}),
    ],
)
def test_a_state_that_makes_no_sense_is_the_trouble_of_its_customer_alone(
    number: int, changed: dict[str, Any]
) -> None:
    rows = stored(DEEP[:2])
    before = advance(None, rows[0], KEY) if number else None
    with pytest.raises(EventUnreadable, match="version"):
        advance(before, tampered(rows[number], **changed), KEY)


def test_an_event_out_of_turn_cannot_be_read() -> None:
    first, _, third = stored(DEEP[:3])
    with pytest.raises(EventUnreadable, match="OriginatorVersionError"):
        advance(advance(None, first, KEY), third, KEY)


def test_a_member_of_a_newer_release_is_left_to_the_library() -> None:
    check_same([tampered(row, reason="asked") for row in stored(DEEP[:2])])


def test_without_a_key_nothing_is_read() -> None:
    with pytest.raises(DataKeyMissing):
        advance(None, stored([created()])[0], None)
