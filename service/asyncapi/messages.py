"""The messages, by name: headers, payload and examples of each.

In: the models and the examples. Out: `Message`s, which document.py writes down. A charge or invoice event is
a message of its own; the forms of CloudEvents around them are further messages of the same channel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from events.wire.checkpoint_models import Checkpoint
from events.wire.wire_models import EVENTS, Headers
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
from projections.billing_terms import CHARGE_EVENTS, INVOICE_EVENTS, STRUCTURED
from service.asyncapi.examples import Example, binary, customer_examples, payment_examples, structured
from service.body import JSON
from service.openapi.examples import LEDGER


class Message(NamedTuple):
    """A kind of message. `headers` and `payload` are models; `type` is what `ce-type` says, if known."""

    title: str
    summary: str
    payload: Any
    headers: Any
    examples: tuple[Example, ...]
    content_type: str = JSON
    type: str | None = None
    traced: bool = False


def customer_messages() -> dict[str, Message]:
    """What the relay publishes."""
    examples = customer_examples()
    return {
        event: Message(event, _summary(model), model, Headers, (examples[event],), type=event, traced=True)
        for event, model in EVENTS.items()
    }


def checkpoint_messages() -> dict[str, Message]:
    """What is published of ledgers."""
    example = Example({}, LEDGER["checkpoint"])
    return {"checkpoint": Message("Checkpoint", _summary(Checkpoint), Checkpoint, None, (example,))}


def charge_messages() -> dict[str, Message]:
    """Charge events, in every form."""
    paid = payment_examples()["charge.completed"]
    return _envelopes(CHARGE_EVENTS) | {
        "charge": _message("A charge alone", ChargeAlone, BinaryChargeHeaders, binary(paid)),
        "charge.structured": _structured("A charge alone, structured", StructuredCharge, paid, alone=True),
    }


def invoice_messages() -> dict[str, Message]:
    """Invoice events, in every form."""
    paid = payment_examples()["invoice.paid"]
    return _envelopes(INVOICE_EVENTS) | {
        "invoice": _message("An invoice alone", InvoiceAlone, BinaryInvoiceHeaders, binary(paid)),
        "invoice.structured": _structured(
            "An invoice alone, structured", StructuredInvoice, paid, alone=True
        ),
    }


def other_messages() -> dict[str, Message]:
    """What may come on either channel."""
    paid = payment_examples()["charge.completed"]
    refunded = Example(paid.headers, paid.payload | {"event": "charge.refunded"})
    return {
        "other": _message("Any other event", OtherEnvelope, PlainHeaders, refunded),
        "structured": _structured("An envelope, structured", StructuredEnvelope, paid, alone=False),
    }


def _envelopes(events: tuple[str, ...]) -> dict[str, Message]:
    examples = payment_examples()
    return {
        event: Message(
            event,
            _summary(ENVELOPES[event]),
            ENVELOPES[event],
            PlainHeaders | BinaryHeaders,
            (examples[event],),
        )
        for event in events
    }


def _message(title: str, model: Any, headers: Any, example: Example) -> Message:
    return Message(title, _summary(model), model, headers, (example,))


def _structured(title: str, model: Any, example: Example, *, alone: bool) -> Message:
    return Message(
        title, _summary(model), model, None, (structured(example, alone=alone),), content_type=STRUCTURED
    )


def _summary(model: Any) -> str:
    return (model.__doc__ or "").split("\n\n")[0]
