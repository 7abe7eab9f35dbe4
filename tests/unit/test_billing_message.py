"""Charge and invoice messages: what is read of a sound one, in each wrapping, and what a bad one is told."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.mapper import to_microseconds
from projections.billing_message import BadMessage, BillingEvent, read_message, read_moment
from projections.delivery import Delivery
from tests.support.billing import charge, delivered, invoice
from tests.support.store import C1, M1

NOON = 1_705_320_900_000_000
"""2024-01-15T12:15:00Z in µs."""

BINARY = {
    "ce-specversion": "1.0",
    "ce-source": "/charges",
    "ce-id": "e1",
    "ce-type": "charge.completed",
    "ce-time": "2024-01-15T12:15:00Z",
}
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}


def read(content: Any, headers: dict[str, str] | None = None, **options: Any) -> BillingEvent:
    return read_message(delivered(content, headers, **options))


def refused(content: Any, headers: dict[str, str] | None = None, **options: Any) -> str:
    with pytest.raises(BadMessage) as error:
        read(content, headers, **options)
    return str(error.value)


def cloud_event(data: Any, **changes: Any) -> dict[str, Any]:
    attributes = {name[3:]: value for name, value in BINARY.items()}
    return attributes | {"data": data} | changes


def meaning(event: BillingEvent) -> BillingEvent:
    """The event without what depends on the bytes around it."""
    return event._replace(identity="", fingerprint=b"")


def test_a_charge_is_read_with_everything_that_counts() -> None:
    delivery = delivered(charge(), msg_id="m1")
    assert read_message(delivery) == BillingEvent(
        stream="CHARGES",
        merchant_id=M1,
        identity="id:m1",
        fingerprint=sha256(delivery.body).digest(),
        kind="charge",
        event="charge.completed",
        occurred_at=NOON,
        standing="linked",
        object_id="chrg_1",
        customer_id=C1,
        status="COMPLETED",
        amount="25.00",
        currency="USDC",
    )


def test_an_invoice_is_read_with_everything_that_counts() -> None:
    event = read(invoice(event="paid"))
    assert (event.kind, event.event, event.status) == ("invoice", "invoice.paid", "paid")
    assert (event.object_id, event.customer_id, event.standing) == ("inv_1", C1, "linked")
    assert (event.amount, event.currency) == (None, None)


def test_an_invoice_counts_on_whichever_stream_it_comes() -> None:
    delivery = delivered(invoice())
    usual, other = read_message(delivery), read_message(delivery._replace(stream="CHARGES"))
    assert other.kind == "invoice"
    assert meaning(other)._replace(stream="INVOICES") == meaning(usual)


def test_the_status_decides_and_not_the_name_of_the_event() -> None:
    event = read(charge(status="EXPIRED", event="charge.completed"))
    assert (event.event, event.status, event.standing) == ("charge.completed", "EXPIRED", "linked")


@pytest.mark.parametrize("event", ["charge.refunded", "charge.", "payout.created", "invoice.sent", "x"])
def test_an_unknown_type_is_kept_as_unknown_whatever_is_in_it(event: str) -> None:
    content = charge(event=event, amount=-1, customer=7)
    assert read(content).standing == "unknown"
    assert read(content).merchant_id == M1


def test_an_unknown_status_is_kept_as_unknown() -> None:
    assert read(charge(status="REFUNDED", event="charge.completed")).standing == "unknown"


@pytest.mark.parametrize("customer", [None, ...], ids=["null", "absent"])
def test_an_event_without_a_customer_is_unlinked(customer: Any) -> None:
    assert read(charge(customer=customer)).standing == "unlinked"
    assert read(invoice(customer=customer)).standing == "unlinked"


def test_unknown_members_are_left_alone_however_strange() -> None:
    content = charge() | {"more": [1e300, 10**400, {"a": None}]}
    content["data"]["fees"] = {"a": [{"b": {"c": True}}]}
    assert meaning(read(content)) == meaning(read(charge()))


# What is around it


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (charge(), BINARY),
        (charge(), {name.upper(): value for name, value in BINARY.items()}),
        (charge()["data"], BINARY),
        (cloud_event(charge()), STRUCTURED),
        (cloud_event(charge()["data"]), STRUCTURED),
        (cloud_event(charge()), {name.lower(): value for name, value in STRUCTURED.items()}),
    ],
    ids=["binary", "binary, shouted", "binary, bare", "structured", "structured, bare", "structured, quiet"],
)
def test_cloud_events_say_the_same_as_the_envelope_alone(content: Any, headers: dict[str, str]) -> None:
    event = read(content, headers, msg_id="not this one")
    assert meaning(event) == meaning(read(charge()))
    assert event.identity == 'ce:["/charges","e1"]'


def test_source_and_id_cannot_be_mixed_up_in_an_identity() -> None:
    one = read(charge(), BINARY | {"ce-source": "a b", "ce-id": "c"})
    other = read(charge(), BINARY | {"ce-source": "a", "ce-id": "b c"})
    assert one.identity != other.identity


def test_the_envelope_s_type_and_time_win_over_those_of_the_headers() -> None:
    event = read(charge(), BINARY | {"ce-type": "charge.refunded", "ce-time": "2030-01-01T00:00:00Z"})
    assert (event.event, event.occurred_at) == ("charge.completed", NOON)


def test_a_bare_object_under_another_type_is_another_body() -> None:
    bare = charge()["data"]
    again = read(bare, BINARY)
    assert read(bare, BINARY).fingerprint == again.fingerprint
    assert read(bare, BINARY | {"ce-type": "charge.expired"}).fingerprint != again.fingerprint
    assert read(bare, BINARY | {"ce-time": "2024-01-15T12:15:01Z"}).fingerprint != again.fingerprint


@pytest.mark.parametrize("headers", [{}, {"Nats-Msg-Id": ""}, {"ce-id": "e1"}], ids=["none", "empty", "half"])
def test_without_an_id_the_body_is_the_identity(headers: dict[str, str]) -> None:
    delivery = delivered(charge(), headers)
    assert read_message(delivery).identity == "sha256:" + sha256(delivery.body).hexdigest()


@pytest.mark.parametrize(
    ("content", "headers", "reason"),
    [
        (charge(), BINARY | {"ce-specversion": "0.3"}, "ce-specversion must be 1.0"),
        (charge(), BINARY | {"ce-id": ""}, "ce-id must not be empty"),
        (charge(), BINARY | {"ce-source": "s" * 257}, "ce-source is longer than 256 characters"),
        (charge(), BINARY | {"ce-id": "a\x00b"}, "ce-id has a character that cannot be printed"),
        (charge(), {"Nats-Msg-Id": "a\udc80"}, "Nats-Msg-Id has a character that cannot be printed"),
        (charge()["data"], {"ce-specversion": "1.0", "ce-source": "s", "ce-id": "1"}, "type is required"),
        (charge()["data"], BINARY | {"ce-time": "soon"}, "time must be a time of RFC 3339"),
        (cloud_event(charge(), specversion=...), STRUCTURED, "specversion must be 1.0"),
        (cloud_event(charge(), id=7), STRUCTURED, "id must be a string"),
        (cloud_event(None), STRUCTURED, "data is required"),
        (cloud_event([charge()]), STRUCTURED, "data must be an object"),
    ],
)
def test_a_cloud_event_that_is_none_says_which_attribute(
    content: Any, headers: dict[str, str], reason: str
) -> None:
    kept = {name: value for name, value in content.items() if value is not ...}
    assert refused(kept, headers).startswith(reason)


# What is wrong with it


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the body is empty"),
        (b"{'event': 1}", "the body is not valid JSON"),
        (b"\xff{}", "the body is not UTF-8 at byte 0"),
        (b"\xef\xbb\xbf{}", "the body must not begin with a byte order mark"),
        (b"[]", "the body must be a JSON object"),
        (b"7", "the body must be a JSON object"),
        (b'{"a": NaN}', "a is NaN, which is no number in JSON"),
        (b'{"event": "x", "event": "y"}', 'the body has the name "event" twice'),
        (b'{"data": {"id": 1, "\\u0069d": 2}}', 'data has the name "id" twice'),
        (b'{"a": ' * 40 + b"1" + b"}" * 40, "the body is nested too deeply"),
        (b'{"a": ' + b"[" * 100_000, "the body is nested too deeply"),
        (charge(orderId="a\x00b"), "data.orderId has the character U+0000"),
        (charge(orderId=["\ud800"]), "data.orderId.0 has half of a surrogate pair"),
        (charge(customer={"a\x00": 1}), "data.customerId.a\ufffd has the character U+0000"),
        (charge() | {"data": None}, "data is required"),
        (charge() | {"data": "x"}, "data must be an object"),
        (charge() | {"event": 1}, "event must be a string"),
        (charge() | {"event": None}, "event is required"),
        (charge(merchant=...), "data.merchantId is required"),
        (charge(merchant=5), "data.merchantId must be a string"),
        (charge(merchant=""), "data.merchantId must not be empty"),
        (charge(merchant="m" * 257), "data.merchantId is longer than 256 characters"),
        (charge(customer=5), "data.customerId must be a string"),
        (charge(customer=""), "data.customerId must not be empty"),
        (charge(customer="a\nb"), "data.customerId has a character that cannot be printed"),
        (charge(id=...), "data.id is required"),
        (charge(id={}), "data.id must be a string"),
        (charge(status="", event="charge.completed"), "data.status must not be empty"),
        (charge() | {"data": charge(status="x")["data"] | {"status": 1}}, "data.status must be a string"),
        (charge(amount=...), "data.amount is required"),
        (charge(amount=25.0), "data.amount must be a string"),
        (charge(amount=25), "data.amount must be a string"),
        (charge(currency=...), "data.currency is required"),
        (charge(currency="usdc"), "data.currency must be a code"),
        (invoice(id=None), "data.id is required"),
        (invoice(customer=True), "data.customerId must be a string"),
    ],
)
def test_a_bad_message_is_told_what_is_wrong_with_which_member(content: Any, reason: str) -> None:
    assert refused(content).startswith(reason)


@pytest.mark.parametrize(
    "amount",
    [
        *("1e5", "-1", " 1", "1 ", "+1", "", ".5", "5.", "1,5", "0x1", "1_000", "1\n"),
        *("NaN", "Infinity", "\N{ARABIC-INDIC DIGIT ONE}", "1." + "0" * 19, "1" * 31),
    ],
)
def test_an_amount_that_is_no_plain_decimal_is_refused(amount: str) -> None:
    assert refused(charge(amount=amount)).startswith("data.amount ")


@pytest.mark.parametrize("amount", ["0", "0.00", "007.5", "9" * 30 + "." + "9" * 18, "0." + "0" * 17 + "1"])
def test_a_plain_decimal_is_taken_as_it_is(amount: str) -> None:
    assert read(charge(amount=amount)).amount == amount


def test_a_reason_repeats_no_value() -> None:
    for content in (charge(amount="canary"), charge(currency="canary"), charge(at="canary")):
        assert "canary" not in refused(content)


def test_a_bad_message_knows_its_merchant_if_that_could_be_read() -> None:
    with pytest.raises(BadMessage) as error:
        read(charge(amount="x"))
    assert error.value.merchant_id == M1
    with pytest.raises(BadMessage) as error:
        read(b"{}")
    assert error.value.merchant_id is None


@given(st.binary(max_size=60) | st.text('{}[]":,\\u0dataevnt1eE.-+ ', max_size=60).map(str.encode))
def test_arbitrary_bytes_are_refused_in_a_named_way(body: bytes) -> None:
    assert refused(body)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists),
    st.sampled_from(["id", "merchantId", "customerId", "amount", "currency", "status"]),
)
def test_any_value_of_any_member_is_read_or_refused_by_its_name(value: Any, member: str) -> None:
    content = charge()
    content["data"][member] = value
    with suppress(BadMessage):
        assert read(content).merchant_id
        return
    assert refused(content).startswith(f"data.{member}")


# Times


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2024-01-15T12:15:00Z", NOON),
        ("2024-01-15t12:15:00z", NOON),
        ("2024-01-15T14:15:00+02:00", NOON),
        ("2024-01-14T12:30:00-23:45", NOON),
        ("2024-01-15T12:15:00-00:00", NOON),
        ("2024-01-15T12:15:00.5Z", NOON + 500_000),
        ("2024-01-15T12:15:00.000001Z", NOON + 1),
        ("2024-01-15T12:15:00.000001999Z", NOON + 1),
        ("2016-12-31T23:59:60Z", to_microseconds(datetime(2017, 1, 1, tzinfo=UTC))),
        ("9999-12-31T23:59:60Z", 253402300800_000_000),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("0001-01-01T00:00:00+23:59", -62135683140_000_000),
        ("9999-12-31T23:59:59-23:59", 253402387139_000_000),
    ],
)
def test_a_time_of_rfc_3339_is_read_to_the_microsecond(text: str, microseconds: int) -> None:
    assert read_moment(text, "timestamp") == microseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1705320900",
        "2024-01-15",
        "2024-01-15T12:15:00",
        "2024-01-15 12:15:00Z",
        "20240115T121500Z",
        "2024-13-15T12:15:00Z",
        "2024-02-30T12:15:00Z",
        "2024-01-15T24:15:00Z",
        "2024-01-15T12:15:61Z",
        "2024-01-15T12:15Z",
        "2024-01-15T12:15:00.Z",
        "2024-01-15T12:15:00.0000000001Z",
        "0000-01-01T00:00:00Z",
        "2024-01-15T12:15:00+24:00",
        "2024-01-15T12:15:00+2:00",
        "2024-01-15T12:15:00+02:60",
        "2024-01-15T12:15:00Z ",
        "\N{ARABIC-INDIC DIGIT TWO}024-01-15T12:15:00Z",
    ],
)
def test_what_is_no_such_time_is_refused(text: str) -> None:
    assert "timestamp" in refused(charge(at=text))


@given(
    st.datetimes(),
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_any_time_in_any_zone_is_read_exactly(moment: datetime, zone: timezone) -> None:
    zoned = moment.replace(tzinfo=zone)
    assert read_moment(zoned.isoformat(), "timestamp") == to_microseconds(zoned)


def test_a_delivery_says_the_same_wherever_it_stands_in_its_stream() -> None:
    delivery = delivered(charge())
    assert read_message(delivery) == read_message(delivery._replace(sequence=99, subject="charges.other"))
    assert json.loads(delivery.body)["event"] == "charge.completed"
    assert isinstance(delivery, Delivery)
