"""Charge and invoice messages by their schemas: what these allow is read, what they forbid refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from projections.billing_message import BadMessage, read_message
from projections.billing_models import (
    ENVELOPES,
    BinaryChargeHeaders,
    BinaryHeaders,
    BinaryInvoiceHeaders,
    ChargeAlone,
    InvoiceAlone,
    OtherEnvelope,
    PlainHeaders,
    StructuredCharge,
    StructuredEnvelope,
    StructuredInvoice,
)
from projections.billing_terms import CHARGE_EVENTS, CHARGE_STATUSES, INVOICE_EVENTS, STRUCTURED
from tests.support.billing import charge, delivered, invoice
from tests.support.schema_strategies import documents, faults

STRUCTURED_HEADERS = {"Content-Type": STRUCTURED}
CE = {"specversion": "1.0", "id": "e1", "source": "/s", "type": "x", "time": "2024-01-15T12:15:00Z"}
BINARY = {f"ce-{name}": value for name, value in CE.items()}


class Form(NamedTuple):
    """One way to say it: the model of the body, that of the headers, and a sound example of both."""

    body: Any
    headers: Any
    example: Any
    example_headers: dict[str, str]


def example(event: str) -> dict[str, Any]:
    subject, _, word = event.partition(".")
    return charge(event=event, status=word.upper()) if subject == "charge" else invoice(event=word)


FORMS: dict[str, Form] = {
    **{
        event: Form(model, PlainHeaders, example(event), {"Nats-Msg-Id": "m1"})
        for event, model in ENVELOPES.items()
    },
    **{
        f"{event}, binary": Form(model, BinaryHeaders, example(event), BINARY)
        for event, model in ENVELOPES.items()
    },
    "other": Form(OtherEnvelope, PlainHeaders, charge(event="charge.refunded"), {}),
    "charge alone": Form(
        ChargeAlone, BinaryChargeHeaders, charge()["data"], BINARY | {"ce-type": "charge.completed"}
    ),
    "invoice alone": Form(
        InvoiceAlone, BinaryInvoiceHeaders, invoice()["data"], BINARY | {"ce-type": "invoice.paid"}
    ),
    "structured": Form(StructuredEnvelope, None, CE | {"data": charge()}, STRUCTURED_HEADERS),
    "structured charge": Form(
        StructuredCharge,
        None,
        CE | {"type": "charge.completed", "data": charge()["data"]},
        STRUCTURED_HEADERS,
    ),
    "structured invoice": Form(
        StructuredInvoice, None, CE | {"type": "invoice.paid", "data": invoice()["data"]}, STRUCTURED_HEADERS
    ),
}

ANOTHER_NAME = {
    *("a day that there is not", "a letter beyond ASCII", "an exponent", "minus", "space before", "text")
}
Tolerated = Callable[[str, str, str], bool]
TOLERATED: dict[str, Tolerated] = {
    # why what the schemas forbid is read all the same, and where: the form, the member, what is wrong with it
    "texts may have any printable character": lambda _, name, fault: (
        name in {"id", "customerId", "status", "source", "ce-id", "ce-source", "Nats-Msg-Id"}
        and fault in {"a letter beyond ASCII", "space before"}
    ),
    "which merchants there are is known where messages are applied": lambda _, name, fault: (
        name == "merchantId" and fault in {"a letter beyond ASCII", "space before", "a day that there is not"}
    ),
    "another name is that of an unknown event, which is kept": lambda _, name, fault: (
        name in {"event", "type", "ce-type"} and fault in ANOTHER_NAME
    ),
    "around the envelope, type and time are not read": lambda form, name, _: (
        form in {"binary", "structured"} and name in {"type", "time", "ce-type", "ce-time"}
    ),
    "without a version it is no CloudEvent, and the envelope is read": lambda form, name, fault: (
        (form, name, fault) == ("binary", "ce-specversion", "absent")
    ),
    "an empty id is none": lambda _, name, fault: (name, fault) == ("Nats-Msg-Id", "empty"),
}


def test_constants_are_those_of_the_contract() -> None:
    assert [*ENVELOPES] == [*CHARGE_EVENTS, *INVOICE_EVENTS]
    assert len(CHARGE_STATUSES) == 7


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(FORMS)), data=st.data())
def test_what_the_schemas_allow_is_read(name: str, data: st.DataObject) -> None:
    form = FORMS[name]
    body = data.draw(documents(form.body))
    headers = data.draw(documents(form.headers)) if form.headers else form.example_headers
    texts = {name: value for name, value in headers.items() if isinstance(value, str)}
    event = read_message(delivered(body, texts))
    assert event.kind == ("other" if name == "other" else event.event.partition(".")[0])
    assert (event.standing == "unknown") >= (name == "other")


def test_what_the_schemas_forbid_is_refused_but_for_what_is_tolerated() -> None:
    unused = set(TOLERATED)
    refused = 0
    for name, form in FORMS.items():
        read_message(delivered(form.example, form.example_headers))
        for place, fault, body, headers in wrong_messages(form):
            if not is_read(body, headers):
                refused += 1
                continue
            member = place.rpartition(".")[2]
            kind = name.rpartition(", ")[2]
            reasons = {why for why, tolerates in TOLERATED.items() if tolerates(kind, member, fault)}
            assert reasons, f"{name}: {place} that is {fault} is read: {body} {headers}"
            unused -= reasons
    assert unused == set()
    assert refused > 1000


def wrong_messages(form: Form) -> Iterator[tuple[str, str, Any, dict[str, str]]]:
    """Messages with one fault, in the body or in the headers: where, which, and the message."""
    for place, fault, body in faults(form.body, form.example):
        yield place, fault, body, form.example_headers
    for place, fault, headers in faults(form.headers, form.example_headers) if form.headers else ():
        if all(isinstance(value, str) for value in headers.values()):  # a header is never anything else
            yield place, fault, form.example, headers


def is_read(body: Any, headers: dict[str, str]) -> bool:
    try:
        read_message(delivered(body, headers))
    except BadMessage:
        return False
    return True
