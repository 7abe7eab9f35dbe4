"""Customer events as they leave, as models: their JSON and their headers, described to subscribers.

In: nothing. Out: schemas, by json_schemas.py. `message.py` makes the messages without them, since that is
faster; the tests hold every message that a relay publishes against them, so that the two cannot differ.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from events.wire import patterns
from events.wire.customer_models import Country, CustomerId, CustomerObject, Tombstone

Event = Literal["customer.created", "customer.updated", "customer.deleted", "customer.erased"]
Timestamp = Annotated[
    str,
    Field(
        pattern=patterns.whole(patterns.MICROSECONDS),
        description="When the change was committed: RFC 3339, UTC, to the microsecond.",
    ),
]
Version = Annotated[int, Field(ge=1, description="The customer's version after the change; no gaps.")]
Position = Annotated[
    int, Field(ge=1, description="The event's place among all events of its merchant; there are no gaps.")
]
ActorId = Annotated[
    str | None,
    Field(description="Who did it: an API key's id, `operator` for the command line, null for nobody named."),
]
Unchanged = Annotated[dict[str, object], Field(description="Always `{}`.", max_length=0)]
Hash = Annotated[str, Field(pattern=patterns.whole(patterns.HASH))]


class CustomerIds(TypedDict):
    """All that is told of a customer whose values are not (any more) to be had.

    What you have of it is out of date: ask the API, or wait for its next event.
    """

    id: CustomerId
    object: Literal["customer"]


class PreviousAddress(TypedDict, total=False):
    """Members of the address that were others before, null where unset."""

    line1: str | None
    line2: str | None
    city: str | None
    state: str | None
    postalCode: str | None
    country: Country | None


class PreviousAttributes(TypedDict, total=False):
    """The merge patch (RFC 7396) that takes `data` back: the members that changed, null where unset."""

    email: str
    name: str
    phone: str | None
    address: PreviousAddress | None
    companyName: str | None
    taxId: str | None
    description: str | None
    metadata: Annotated[
        dict[str, str | None] | None, Field(description="By key; null for a key that was not there.")
    ]


class CustomerCreated(TypedDict):
    """A customer was created."""

    event: Literal["customer.created"]
    timestamp: Timestamp
    data: CustomerObject | CustomerIds
    previousAttributes: Unchanged
    version: Version
    position: Position
    actor: ActorId


class CustomerUpdated(TypedDict):
    """A customer was changed; `data` is what it is now."""

    event: Literal["customer.updated"]
    timestamp: Timestamp
    data: CustomerObject | CustomerIds
    previousAttributes: PreviousAttributes
    version: Version
    position: Position
    actor: ActorId


class CustomerDeleted(TypedDict):
    """A customer was deleted, and its email is free again."""

    event: Literal["customer.deleted"]
    timestamp: Timestamp
    data: Tombstone | CustomerIds
    previousAttributes: Unchanged
    version: Version
    position: Position
    actor: ActorId


class CustomerErased(TypedDict):
    """A person was erased: forget what you keep of this customer. Its earlier messages are deleted."""

    event: Literal["customer.erased"]
    timestamp: Timestamp
    data: Tombstone | CustomerIds
    previousAttributes: Unchanged
    version: Version
    position: Position
    actor: ActorId


Headers = TypedDict(
    "Headers",
    {
        "ce-specversion": Literal["1.0"],
        "ce-id": Annotated[
            str,
            Field(
                pattern=f"^{patterns.CUSTOMER_ID}-[1-9][0-9]*-[0-9a-f]{{16}}$",
                description="The event's identity, the same whenever it is published: "
                "customer, version, the first 16 digits of `ce-hash`.",
            ),
        ],
        "ce-source": Annotated[
            str, Field(pattern=f"^/merchants/{patterns.MERCHANT_ID}$", description="Whose customer.")
        ],
        "ce-type": Annotated[
            str, Field(pattern=r"^customer\.[a-z]+$", description="As `event`; there will be new ones.")
        ],
        "ce-subject": CustomerId,
        "ce-time": Annotated[Timestamp, Field(description="As `timestamp`.")],
        "ce-datacontenttype": Literal["application/json"],
        "ce-sequence": Annotated[
            str, Field(pattern="^[0-9]{20}$", description="`position`, padded with zeros: sorts as text.")
        ],
        "ce-prevhash": Annotated[
            Hash, Field(description="The ledger's hash at the position before: `ce-hash` of the event there.")
        ],
        "ce-hash": Annotated[Hash, Field(description="The ledger's hash at this position.")],
        "ce-epoch": Annotated[
            str,
            Field(
                pattern="^[1-9][0-9]*$",
                description="Which history of the ledger; it rises when events were lost, as by a restore.",
            ),
        ],
        "ce-traceparent": NotRequired[
            Annotated[
                str,
                Field(
                    pattern=patterns.whole(patterns.TRACEPARENT),
                    description="W3C Trace Context of the request that made the change, if it had one.",
                ),
            ]
        ],
        "Nats-Msg-Id": Annotated[str, Field(description="As `ce-id`.")],
    },
)
Headers.__doc__ = "CloudEvents 1.0 in binary mode; further `Nats-…` headers are the transport's."

EVENTS = {
    "customer.created": CustomerCreated,
    "customer.updated": CustomerUpdated,
    "customer.deleted": CustomerDeleted,
    "customer.erased": CustomerErased,
}
"""The bodies' models, by the name of the event."""
