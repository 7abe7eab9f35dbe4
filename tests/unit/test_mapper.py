"""Between events and bytes: topics, what is stored, what was stored long ago, upcasting."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from eventsourcing.domain import BaseAggregate, CanInitAggregate, CanMutateAggregate, MetaDomainEvent
from eventsourcing.persistence import JSONTranscoder, StoredEvent
from eventsourcing.utils import get_topic, resolve_topic
from hypothesis import given
from hypothesis import strategies as st

from events.customer import Customer, Personal, Values
from events.errors import DataKeyMissing, SealBroken, StoreError
from events.loading import fold
from events.mapper import (
    OrjsonTranscoder,
    PersonalAsSealed,
    from_microseconds,
    make_mapper,
    mapper_with,
    register_transcodings,
    to_domain_event,
    to_microseconds,
)
from events.sealing import KEY_BYTES, DataKey
from tests.support.cases import (
    ACME,
    CUSTOMER,
    JOHN,
    MERCHANT,
    changes,
    created,
    deleted,
    folded,
    make_event,
    moment,
    updated,
)

KEY = DataKey(bytes(range(KEY_BYTES)))


class SealedOnce(PersonalAsSealed):
    """Gives the same blob for the same values twice, so that two transcoders can be compared."""

    def __init__(self) -> None:
        super().__init__(lambda *_: KEY)
        self._sealed: dict[int, dict[str, Any]] = {}

    def encode(self, obj: Personal) -> dict[str, Any]:
        return self._sealed.setdefault(id(obj), super().encode(obj))


def transcoders() -> tuple[JSONTranscoder, OrjsonTranscoder]:
    """The library's and ours, with the same transcodings."""
    library, ours = JSONTranscoder(), OrjsonTranscoder()
    sealed = SealedOnce()
    for transcoder in (library, ours):
        register_transcodings(transcoder, lambda *_: KEY)
        transcoder.register(sealed)
    return library, ours


def state_of(event: Any) -> dict[str, Any]:
    """What the library's mapper hands to its transcoder."""
    return {k: v for k, v in vars(event).items() if k not in {"originator_id", "originator_version"}}


@pytest.mark.parametrize(
    ("topic", "event_class"),
    [
        ("Customer", Customer),
        ("CustomerCreated", Customer.Created),
        ("CustomerUpdated", Customer.Updated),
        ("CustomerDeleted", Customer.Deleted),
        ("CustomerSnapshot", Customer.Snapshot),
    ],
)
def test_a_topic_stays_what_it_is_whatever_the_class_is_called(topic: str, event_class: type) -> None:
    assert get_topic(event_class) == topic
    assert resolve_topic(topic) is event_class


def test_a_fresh_process_that_only_reads_knows_every_topic() -> None:
    topics = ["Customer", "CustomerCreated", "CustomerUpdated", "CustomerDeleted", "CustomerSnapshot"]
    script = (
        "import sys, events.mapper\n"
        "from eventsourcing.utils import resolve_topic\n"
        "for topic in sys.argv[1:]: print(resolve_topic(topic).__qualname__)"
    )
    ran = subprocess.run([sys.executable, "-c", script, *topics], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == [
        "Customer",
        "Customer.Created",
        "Customer.Updated",
        "Customer.Deleted",
        "Customer.Snapshot",
    ]


@given(changes, changes, st.datetimes(timezones=st.just(UTC)))
def test_the_bytes_are_those_of_the_librarys_own_transcoder(
    values: Values, changed: Values, timestamp: datetime
) -> None:
    events: list[Any] = [created(values), updated(2, **changed), deleted(3)]
    events.append(Customer.Snapshot.take(folded(events)))
    library, ours = transcoders()
    for event in events:
        state = state_of(event) | {"timestamp": timestamp}
        encoded = ours.encode(state)
        assert encoded == library.encode(state)
        assert ours.decode(encoded) == library.decode(encoded) == state


json_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | json_texts,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(json_texts, json_values, max_size=4))
def test_the_bytes_are_the_librarys_for_any_plain_state(state: dict[str, Any]) -> None:
    library, ours = transcoders()
    assert ours.encode(state) == library.encode(state)
    assert ours.decode(ours.encode(state)) == state


def test_a_stored_event_holds_ids_names_and_one_sealed_blob() -> None:
    stored = mapper_with(KEY).to_stored_event(created(ACME))
    state = json.loads(stored.state)
    blob = state["personal"]["_data_"].pop("blob")
    assert KEY.open(MERCHANT, CUSTOMER, 1, blob).values == ACME
    assert (stored.topic, stored.originator_id, stored.originator_version) == ("CustomerCreated", CUSTOMER, 1)
    assert state == {
        "timestamp": {"_type_": "datetime_iso", "_data_": "2026-01-01T00:00:01+00:00"},
        "merchant_id": MERCHANT,
        "originator_topic": "Customer",
        "members": list(ACME),
        "personal": {
            "_type_": "sealed",
            "_data_": {"merchant_id": MERCHANT, "customer_id": CUSTOMER, "version": 1},
        },
    }


def test_nothing_personal_is_readable_in_what_is_stored() -> None:
    customer = folded([created(ACME)])
    for event in (created(ACME), updated(2, name="Jane Roe"), Customer.Snapshot.take(customer)):
        state = mapper_with(KEY).to_stored_event(event).state
        for value in (b"Jane", b"example.org", b"Main St", b"12-3456789", b"gold"):
            assert value not in state


def test_events_keep_the_time_at_which_the_ledger_recorded_them() -> None:
    mapper = mapper_with(KEY)
    recorded = to_microseconds(moment(5)) + 1
    event = to_domain_event(mapper, mapper.to_stored_event(created(JOHN)), recorded)
    assert event.timestamp == from_microseconds(recorded)
    assert to_microseconds(event.timestamp) == recorded


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_lose_nothing(time: datetime) -> None:
    assert from_microseconds(to_microseconds(time)) == time


def test_the_wrong_key_is_the_reason_why_an_event_cannot_be_read() -> None:
    assert isinstance(reading_with(DataKey(bytes(KEY_BYTES))), SealBroken)


def test_a_key_that_is_gone_is_the_reason_why_an_event_cannot_be_read() -> None:
    assert isinstance(reading_with(None), DataKeyMissing)


def reading_with(key: DataKey | None) -> StoreError:
    """What folding a stored customer raises under this key."""
    stored = mapper_with(KEY).to_stored_event(created(JOHN))
    row: Any = {
        "snapshot_version": None,
        "originator_version": stored.originator_version,
        "topic": stored.topic,
        "state": stored.state,
        "recorded_at": 0,
    }
    with pytest.raises(StoreError) as raised:
        fold(CUSTOMER, [row], key)
    return raised.value


class Parcel(BaseAggregate[str]):
    """A throw-away aggregate whose event has changed its form since."""

    TOPIC = "Parcel"

    class Event(CanMutateAggregate[str], metaclass=MetaDomainEvent):
        originator_id: str
        originator_version: int
        timestamp: datetime

    class Sent(Event, CanInitAggregate[str]):
        TOPIC = "ParcelSent"
        class_version = 2
        originator_topic: str
        weight_grams: int

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """Version 1 counted in kilograms."""
            state["weight_grams"] = 1000 * state.pop("weight_kilograms")

    def __init__(self, weight_grams: int) -> None:
        self.weight_grams = weight_grams


def test_an_event_of_an_earlier_form_is_upcast_when_it_is_read() -> None:
    mapper = make_mapper(lambda *_: KEY)
    time = {"_type_": "datetime_iso", "_data_": "2026-01-01T00:00:01+00:00"}
    old = {"timestamp": time, "originator_topic": "Parcel", "weight_kilograms": 3}
    event = mapper.to_domain_event(StoredEvent("parcel", 1, "ParcelSent", orjson.dumps(old)))
    assert isinstance(event, Parcel.Sent)
    assert (event.weight_grams, event.timestamp) == (3000, moment(1))


def test_an_event_of_the_present_form_says_so_and_is_read_as_it_is() -> None:
    mapper = make_mapper(lambda *_: KEY)
    sent = make_event(
        Parcel.Sent,
        originator_id="parcel",
        originator_version=1,
        originator_topic="Parcel",
        timestamp=moment(1),
        weight_grams=5,
    )
    stored = mapper.to_stored_event(sent)
    assert json.loads(stored.state)["class_version"] == 2
    assert mapper.to_domain_event(stored) == sent
