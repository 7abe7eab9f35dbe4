"""Charge and invoice messages as they arrive, as models: JSON and headers, described to who publishes.

In: nothing. Out: schemas. `billing_message.py` reads messages without them; tests hold the two against each
other. What the schemas allow is read; beyond them the reader is more tolerant, as projections/README.md says.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field, create_model, with_config
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from events.wire import patterns
from projections.billing_terms import AMOUNT, CHARGE_EVENTS, CHARGE_STATUSES, INVOICE_EVENTS, TEXT_LENGTH

PRINTABLE = "^[ -~]+$"
"""Of ASCII, so that it means the same in every language and version of Unicode."""

Text = Annotated[str, Field(min_length=1, max_length=TEXT_LENGTH, pattern=PRINTABLE)]
MerchantId = Annotated[str, Field(pattern=patterns.whole(patterns.MERCHANT_ID), description="As we know it.")]
CustomerRef = Annotated[
    Text | None,
    Field(description="One of the merchant's customers. Without it the event is kept and counts nowhere."),
]
Amount = Annotated[
    str, Field(pattern=patterns.whole(AMOUNT), description="An exact decimal, not negative, never a number.")
]
Currency = Annotated[
    str,
    Field(
        pattern=patterns.whole(patterns.CURRENCY),
        description="`totalSpent` sums what is in the merchant's currency.",
    ),
]
Status = Annotated[
    Text,
    Field(
        description="It decides, not the event's name. An event of another status than "
        f"{', '.join(f'`{status}`' for status in CHARGE_STATUSES)} is kept and changes nothing.",
    ),
]
Moment = Annotated[
    str,
    Field(
        pattern=patterns.whole(patterns.RFC3339),
        json_schema_extra={"format": "date-time"},
        description="When it happened, by RFC 3339, to the microsecond; among equals the latest decides.",
    ),
]

ChargeEvent = Annotated[str, Field(json_schema_extra={"enum": list(CHARGE_EVENTS)})]
InvoiceEvent = Annotated[str, Field(json_schema_extra={"enum": list(INVOICE_EVENTS)})]

_OBJECT_ALONE: dict[str, Any] = {"not": {"anyOf": [{"required": ["event"]}, {"required": ["data"]}]}}
"""What has one of these members is taken for the envelope."""


class Charge(TypedDict):
    """A charge after the event. Members beyond these are ignored."""

    id: Text
    merchantId: MerchantId
    customerId: NotRequired[CustomerRef]
    amount: Amount
    currency: Currency
    status: Status


class Invoice(TypedDict):
    """An invoice after the event. Members beyond these are ignored."""

    id: Text
    merchantId: MerchantId
    customerId: NotRequired[CustomerRef]


@with_config(ConfigDict(json_schema_extra=_OBJECT_ALONE))
class ChargeAlone(Charge):
    """A charge without the envelope, in a CloudEvent whose type and time say what happened."""


@with_config(ConfigDict(json_schema_extra=_OBJECT_ALONE))
class InvoiceAlone(Invoice):
    """An invoice without the envelope, in a CloudEvent whose type and time say what happened."""


class Other(TypedDict):
    """Whatever it is; nothing else is read."""

    merchantId: MerchantId


class ChargeEnvelope(BaseModel):
    """What happened to a charge."""

    event: ChargeEvent
    timestamp: Moment
    data: Charge


class InvoiceEnvelope(BaseModel):
    """What happened to an invoice."""

    event: InvoiceEvent
    timestamp: Moment
    data: Invoice


class OtherEnvelope(BaseModel):
    """An event of a type that is not known here: it is kept, counted as unknown, and changes nothing."""

    event: Annotated[Text, Field(json_schema_extra={"not": {"enum": [*CHARGE_EVENTS, *INVOICE_EVENTS]}})]
    timestamp: Moment
    data: Other


def _named(base: type[BaseModel], event: str) -> type[BaseModel]:
    """The envelope with this name alone."""
    subject, word = event.split(".")
    return create_model(
        subject.capitalize() + word.capitalize(),
        __base__=base,
        __doc__=f"The envelope of `{event}`.",
        event=(str, Field(json_schema_extra={"const": event})),
    )


ENVELOPES: dict[str, type[BaseModel]] = {
    **{event: _named(ChargeEnvelope, event) for event in CHARGE_EVENTS},
    **{event: _named(InvoiceEnvelope, event) for event in INVOICE_EVENTS},
}
"""By the name of the event."""

Identity = Annotated[Text, Field(description="With the source it tells the event from all others.")]
ContentType = Annotated[str, Field(description="`application/json`, the only one that can be read.")]
SpecVersion = Literal["1.0"]
HeaderText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=TEXT_LENGTH,
        pattern="^[!#$&-~]+$",
        description="As the NATS binding of CloudEvents wants it: whatever else it has is percent-encoded.",
    ),
]
HeaderIdentity = Annotated[
    HeaderText, Field(description="With the source it tells the event from all others; else as `ce-source`.")
]

PlainHeaders = TypedDict(
    "PlainHeaders",
    {
        "Nats-Msg-Id": NotRequired[
            Annotated[
                str,
                Field(
                    min_length=1,
                    max_length=TEXT_LENGTH,
                    pattern="^[!-~]+$",
                    description="The event's identity; without it, the hash of the body.",
                ),
            ]
        ]
    },
)
PlainHeaders.__doc__ = "Of the envelope by itself."

BinaryHeaders = TypedDict(
    "BinaryHeaders",
    {
        "ce-specversion": SpecVersion,
        "ce-id": HeaderIdentity,
        "ce-source": HeaderText,
        "ce-type": HeaderText,
        "ce-time": NotRequired[Moment],
        "ce-datacontenttype": NotRequired[ContentType],
    },
)
BinaryHeaders.__doc__ = "Of a binary CloudEvent around the envelope, whose `event` and `timestamp` are read."

BinaryChargeHeaders = TypedDict(
    "BinaryChargeHeaders",
    {
        "ce-specversion": SpecVersion,
        "ce-id": HeaderIdentity,
        "ce-source": HeaderText,
        "ce-type": ChargeEvent,
        "ce-time": Moment,
        "ce-datacontenttype": NotRequired[ContentType],
    },
)
BinaryChargeHeaders.__doc__ = "Of a binary CloudEvent around a charge alone: type and time are read here."

BinaryInvoiceHeaders = TypedDict(
    "BinaryInvoiceHeaders",
    {
        "ce-specversion": SpecVersion,
        "ce-id": HeaderIdentity,
        "ce-source": HeaderText,
        "ce-type": InvoiceEvent,
        "ce-time": Moment,
        "ce-datacontenttype": NotRequired[ContentType],
    },
)
BinaryInvoiceHeaders.__doc__ = "Of a binary CloudEvent around an invoice alone: type and time are read here."


class StructuredEnvelope(TypedDict):
    """A structured CloudEvent around the envelope, whose `event` and `timestamp` are read."""

    specversion: SpecVersion
    id: Identity
    source: Text
    type: Text
    time: NotRequired[Moment]
    datacontenttype: NotRequired[ContentType]
    data: ChargeEnvelope | InvoiceEnvelope


class StructuredCharge(TypedDict):
    """A structured CloudEvent around a charge alone: type and time are read here."""

    specversion: SpecVersion
    id: Identity
    source: Text
    type: ChargeEvent
    time: Moment
    datacontenttype: NotRequired[ContentType]
    data: ChargeAlone


class StructuredInvoice(TypedDict):
    """A structured CloudEvent around an invoice alone: type and time are read here."""

    specversion: SpecVersion
    id: Identity
    source: Text
    type: InvoiceEvent
    time: Moment
    datacontenttype: NotRequired[ContentType]
    data: InvoiceAlone
