"""The channels: where messages go and come from, and what the service does there. Texts for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from events.proof import checkpoint
from events.wire import message
from service.asyncapi.examples import MERCHANT_ID
from service.asyncapi.messages import (
    Message,
    charge_messages,
    checkpoint_messages,
    customer_messages,
    invoice_messages,
    other_messages,
)
from service.openapi.examples import ID

SEND, RECEIVE = "send", "receive"

PARAMETERS = {
    "merchantId": ("Whose customers: 1 to 64 of A-Z a-z 0-9 _ -.", MERCHANT_ID),
    "customerId": ("Which customer.", ID),
}
"""What stands in addresses: what it is, and an example."""


class Channel(NamedTuple):
    """A channel and the one operation on it, `action` as the service does it."""

    address: str
    title: str
    description: str
    action: str
    operation: str
    summary: str
    messages: Callable[[], Mapping[str, Message]]
    shared: tuple[str, ...] = ()


CHANNELS: dict[str, Channel] = {
    "customers": Channel(
        message.subject_of("{merchantId}", "{customerId}"),
        "Customer events",
        f"The stream `{message.STREAM}` holds these subjects. In order for each customer, at least once, for "
        "as long as the stream's retention says. Make a durable pull consumer with the filter "
        "`customers.v1.<merchantId>.>`: how, and what to rely on, is in the document's description.",
        SEND,
        "publishCustomerEvent",
        "Tell that a customer was created, changed, deleted or erased",
        customer_messages,
    ),
    "checkpoints": Channel(
        checkpoint.subject_of("{merchantId}"),
        "Checkpoints",
        "Published by core NATS, to whoever listens at the moment, once an hour for each ledger that moved. "
        "Who wants them kept makes a stream of `checkpoints.>`. `GET /v1/ledger` answers the last one.",
        SEND,
        "publishCheckpoint",
        "Tell, signed, what a merchant's ledger is",
        checkpoint_messages,
    ),
    "charges": Channel(
        "charges.>",
        "Charge events",
        "Any subject below `charges.`, in the stream `CHARGES`, which belongs to who publishes charges. "
        "They move `chargeCount` and `totalSpent` of customers.",
        RECEIVE,
        "takeInCharge",
        "Count a charge for its customer",
        charge_messages,
        ("other", "structured"),
    ),
    "invoices": Channel(
        "invoices.>",
        "Invoice events",
        "Any subject below `invoices.`, in the stream `INVOICES`, which belongs to who publishes invoices. "
        "They move `invoiceCount` of customers; a deleted invoice no longer counts.",
        RECEIVE,
        "takeInInvoice",
        "Count an invoice for its customer",
        invoice_messages,
        ("other", "structured"),
    ),
}


def all_messages() -> dict[str, Message]:
    """Every message there is, by name."""
    found = other_messages()
    for channel in CHANNELS.values():
        found |= channel.messages()
    return found
