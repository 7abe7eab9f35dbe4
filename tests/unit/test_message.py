"""Customer events as they leave: subject, headers and body of the contract, and attributes that lead back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.customer import MEMBERS
from events.ledger import first_hash
from events.wire.message import Recorded, customer_message, previous_attributes, unreadable_message
from service.customer_input import apply_patch
from tests.support.cases import CUSTOMER, MERCHANT
from tests.support.wire import check_message

HASH, PREVIOUS = bytes(range(32)), bytes(range(32, 64))
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVENT = Recorded(
    MERCHANT, CUSTOMER, 2, "CustomerUpdated", 17, 1_795_600_673_586_050, HASH, PREVIOUS, 1,
    orjson.dumps({"actor": "key_1", "requestId": "req_1", "traceparent": TRACEPARENT}),
)  # fmt: skip
BEFORE: dict[str, Any] = dict.fromkeys(MEMBERS) | {
    "email": "john@example.com",
    "name": "John",
    "metadata": {"tier": "tin"},
}
AFTER = BEFORE | {"name": "John Doe", "metadata": {"tier": "gold", "source": "referral"}}


def test_the_body_is_the_object_of_the_contract_in_its_order() -> None:
    body = orjson.loads(customer_message(EVENT, 5, BEFORE, AFTER).body)
    assert list(body.items()) == [
        ("event", "customer.updated"),
        ("timestamp", "2026-11-25T09:57:53.586050Z"),
        (
            "data",
            {"id": CUSTOMER, "object": "customer"} | AFTER | {"created": 5, "updated": 1_795_600_673},
        ),
        ("previousAttributes", {"name": "John", "metadata": {"tier": "tin", "source": None}}),
        ("version", 2),
        ("position", 17),
        ("actor", "key_1"),
    ]


def test_subject_and_headers_are_those_of_the_contract() -> None:
    message = customer_message(EVENT, 1_706_554_800, BEFORE, AFTER)
    identity = f"{CUSTOMER}-2-{HASH.hex()[:16]}"
    assert message.subject == f"customers.v1.{MERCHANT}.{CUSTOMER}"
    assert message.headers == {
        "ce-specversion": "1.0",
        "ce-id": identity,
        "ce-source": f"/merchants/{MERCHANT}",
        "ce-type": "customer.updated",
        "ce-subject": CUSTOMER,
        "ce-time": "2026-11-25T09:57:53.586050Z",
        "ce-datacontenttype": "application/json",
        "ce-sequence": "00000000000000000017",
        "ce-traceparent": TRACEPARENT,
        "ce-prevhash": PREVIOUS.hex(),
        "ce-hash": HASH.hex(),
        "ce-epoch": "1",
        "Nats-Msg-Id": identity,
    }


def test_a_created_customer_was_nothing_before() -> None:
    event = EVENT._replace(version=1, topic="CustomerCreated", position=1, previous_hash=None)
    message = customer_message(event, 1_795_603_073, None, BEFORE)
    body = orjson.loads(message.body)
    assert (body["event"], body["previousAttributes"]) == ("customer.created", {})
    assert message.headers["ce-prevhash"] == first_hash(MERCHANT).hex()


def test_a_deleted_customer_leaves_its_tombstone_and_nothing_personal() -> None:
    message = customer_message(EVENT._replace(topic="CustomerDeleted"), 1, BEFORE, None)
    body = orjson.loads(message.body)
    assert body["data"] == {"id": CUSTOMER, "object": "customer", "deleted": True}
    assert body["previousAttributes"] == {}
    assert b"john" not in message.body.lower()


def test_an_event_that_cannot_be_opened_leaves_with_its_ids() -> None:
    message = unreadable_message(EVENT)
    assert orjson.loads(message.body)["data"] == {"id": CUSTOMER, "object": "customer"}
    assert message.headers["ce-hash"] == HASH.hex()


def test_an_event_without_a_trace_has_no_header_for_it() -> None:
    event = EVENT._replace(metadata=b'{"actor":"key_1"}')
    assert "ce-traceparent" not in customer_message(event, 1, BEFORE, AFTER).headers


texts = st.none() | st.text(min_size=1, max_size=3)
addresses = st.none() | st.fixed_dictionaries({"line1": st.text(min_size=1), "city": texts}).map(
    lambda given: dict.fromkeys(("line1", "line2", "city", "state", "postalCode", "country")) | given
)
metadata = st.none() | st.dictionaries(st.sampled_from("abc"), st.text(min_size=1, max_size=2), min_size=1)
values = st.fixed_dictionaries(
    {
        "email": st.just("john@example.com"),
        "name": st.text(min_size=1),
        "phone": texts,
        "address": addresses,
        "companyName": texts,
        "taxId": texts,
        "description": texts,
        "metadata": metadata,
    }
)
recorded = st.fixed_dictionaries({}, optional={"actor": st.text(), "traceparent": st.just(TRACEPARENT)})


@given(before=values, after=values)
def test_previous_attributes_are_the_merge_patch_that_leads_back(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert apply_patch(after, previous_attributes(before, after)) == before


@given(before=st.none() | values, after=st.none() | values, version=st.integers(2, 2**31), metadata=recorded)
def test_every_message_is_as_its_schemas_say(
    before: dict[str, Any] | None, after: dict[str, Any] | None, version: int, metadata: dict[str, str]
) -> None:
    topic = "CustomerDeleted" if after is None else "CustomerUpdated" if before else "CustomerCreated"
    event = EVENT._replace(topic=topic, version=version, metadata=orjson.dumps(metadata))
    check_message(*customer_message(event, 5, before, after))
    check_message(*unreadable_message(event))


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_that_did_not_change_is_not_among_them(member: str) -> None:
    changed = AFTER | {member: BEFORE[member]}
    assert member not in previous_attributes(BEFORE, changed)
