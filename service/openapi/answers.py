"""What is answered, as models: they describe the JSON to clients, and nothing is rendered by them.

The tests compare every answer that they get with these. Members may be added: clients ignore what they do
not know.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from events.wire import checkpoint_models, customer_models, patterns
from events.wire.checkpoint_models import Epoch, Hash, Microseconds, PublicKey
from events.wire.customer_models import CustomerId, CustomerObject, Seconds
from events.wire.wire_models import (
    ActorId,
    CustomerIds,
    Event,
    Position,
    PreviousAttributes,
    Timestamp,
    Version,
)
from projections.customer_list import MOST_COUNTED
from service.openapi.examples import (
    BATCH_RESULTS,
    CERTIFICATE,
    EVENTS,
    HISTORY,
    JOHN,
    LEDGER,
    LIST,
    LISTED_TOMBSTONE,
    TOMBSTONE,
)

MEMBER_CODES = (
    "required",
    "not_nullable",
    "wrong_type",
    "too_short",
    "too_long",
    "invalid_format",
    "unknown_member",
    "read_only",
)
"""No enumeration in the schema: clients would refuse an answer with a new one."""


@with_config(ConfigDict(json_schema_extra={"examples": [JOHN]}))
class Customer(CustomerObject, TypedDict):
    """A customer. The last three members are there only with `expand=stats`."""

    invoiceCount: NotRequired[Annotated[int, Field(ge=0, description="Eventually consistent.")]]
    chargeCount: NotRequired[Annotated[int, Field(ge=0, description="Charges of any status.")]]
    totalSpent: NotRequired[
        Annotated[
            str,
            Field(
                pattern=r"^\d+\.\d{2,}$",
                description="Total amount from completed charges, in the merchant's currency: an exact "
                "decimal, two decimals or more.",
            ),
        ]
    ]


@with_config(ConfigDict(json_schema_extra={"examples": [TOMBSTONE]}))
class Tombstone(customer_models.Tombstone):
    """What is left of a deleted customer."""


@with_config(ConfigDict(json_schema_extra={"examples": [CERTIFICATE]}))
class ErasureCertificate(TypedDict):
    """That a customer was erased, and its place in the merchant's ledger; signed with Ed25519 (RFC 8032).

    Signed are the bytes of `erasure`, a line feed, and the other members as JSON with sorted names and
    without white space.
    """

    object: Literal["erasure_certificate"]
    merchantId: str
    customerId: CustomerId
    erasedAt: Annotated[str, Field(description="RFC 3339, to the microsecond, UTC.")]
    actor: Annotated[str | None, Field(description="The API key's id, or `operator`.")]
    requestId: str | None
    version: Annotated[int, Field(ge=2)]
    position: Annotated[int, Field(ge=2)]
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="The ledger's hash at this position.")]
    publicKey: Annotated[str, Field(description="Base64; the key that `GET /v1/ledger` tells.")]
    signature: Annotated[str, Field(description="Base64.")]


@with_config(ConfigDict(json_schema_extra={"examples": [LISTED_TOMBSTONE]}))
class ListedTombstone(Tombstone, TypedDict):
    """What is left of a deleted customer, in a list with `deleted=true`."""

    deletedAt: Seconds


@with_config(ConfigDict(json_schema_extra={"examples": [LIST]}))
class CustomerList(TypedDict):
    """A page of customers, newest first. The last two members are there only with `count=true`."""

    object: Literal["list"]
    url: Literal["/v1/customers"]
    hasMore: Annotated[bool, Field(description="Whether there are more in the direction asked for.")]
    data: Annotated[list[Customer | ListedTombstone], Field(max_length=100)]
    totalCount: NotRequired[Annotated[int, Field(ge=0, le=MOST_COUNTED, description="How many match.")]]
    totalCountCapped: NotRequired[
        Annotated[Literal[True], Field(description="There are more than `totalCount` says.")]
    ]


class Actor(TypedDict):
    """The API key that a change came with."""

    id: str
    name: Annotated[str | None, Field(description="What the key is called, null if that is not known.")]


class Difference(TypedDict):
    """A member before and after a change; null is unset."""

    from_: Annotated[str | None, Field(alias="from")]
    to: str | None


class HistoryEvent(TypedDict):
    """Something that happened to a customer."""

    position: Annotated[int, Field(ge=1, description="Its place among all events of the merchant.")]
    version: Annotated[int, Field(ge=1, description="The customer's version after it.")]
    type: Event
    recordedAt: Annotated[
        str,
        Field(
            pattern=patterns.whole(patterns.MICROSECONDS),
            description="RFC 3339, in UTC, to the microsecond.",
        ),
    ]
    actor: Actor | None
    requestId: Annotated[str | None, Field(description="The `X-Request-Id` of the request that did it.")]
    correlationId: str | None
    idempotencyKeyHash: Annotated[
        str | None,
        Field(
            pattern="^[0-9a-f]{16}$",
            description="16 digits of an HMAC of the key: the same whenever the key is.",
        ),
    ]
    changes: Annotated[
        dict[str, Difference],
        Field(
            description="By member; one within `address` or `metadata` by its path, such as `address.city`."
        ),
    ]


@with_config(ConfigDict(json_schema_extra={"examples": [HISTORY]}))
class History(TypedDict):
    """A page of a customer's history."""

    object: Literal["list"]
    url: Annotated[str, Field(pattern="^/v1/customers/cus_[0-9a-z]{26}/history$")]
    hasMore: Annotated[bool, Field(description="Whether there are more in the order asked for.")]
    data: Annotated[list[HistoryEvent], Field(max_length=100)]


class CustomerEvent(TypedDict):
    """Something that happened to a customer, as it is also published over NATS."""

    event: Annotated[
        str,
        Field(description="`customer.created`, `.updated`, `.deleted` or `.erased`; more may come."),
    ]
    timestamp: Timestamp
    data: Annotated[
        CustomerObject | Tombstone | CustomerIds,
        Field(description="The customer after it; its ids alone, if it was erased since."),
    ]
    previousAttributes: PreviousAttributes
    version: Version
    position: Position
    actor: ActorId


@with_config(ConfigDict(json_schema_extra={"examples": [EVENTS]}))
class EventList(TypedDict):
    """A page of events, in the order in which they happened."""

    object: Literal["list"]
    url: Literal["/v1/events"]
    hasMore: Annotated[bool, Field(description="Whether there is anything beyond `nextAfter`.")]
    data: Annotated[list[CustomerEvent], Field(max_length=1000)]
    nextAfter: Annotated[
        int,
        Field(ge=0, description="What to go on with as `after`: everything up to there was looked at."),
    ]


class MemberFault(TypedDict):
    """What is wrong with one member of a body."""

    param: Annotated[str, Field(description="The member; dots lead to those within others.")]
    code: Annotated[
        str, Field(description=f"{', '.join(f'`{code}`' for code in MEMBER_CODES)}; more may come.")
    ]
    message: str


class Refusal(TypedDict):
    """Why a request was refused. Programs look at `code`, people read `message`."""

    statusCode: int
    message: Annotated[str, Field(description="What was wrong, with what, and what would be right.")]
    error: Annotated[str, Field(description="The status's phrase (RFC 9110).")]
    code: str
    param: NotRequired[Annotated[str, Field(description="The member, parameter or header at fault.")]]
    requestId: Annotated[str, Field(pattern="^req_[0-9a-f]{24}$", description="Quote it when you ask us.")]
    errors: NotRequired[
        Annotated[list[MemberFault], Field(min_length=1, max_length=50, description="Every invalid member.")]
    ]


class BatchSuccess(TypedDict):
    """What became of an item: the customer that was created, or that `onDuplicate` found or updated."""

    status: Literal[200, 201]
    customer: Customer
    replayed: NotRequired[Annotated[Literal[True], Field(description="The item was a retry.")]]


class BatchFailure(TypedDict):
    """Why an item was refused: the error that POST would have answered."""

    status: Annotated[int, Field(ge=400, le=599)]
    error: Refusal


@with_config(ConfigDict(json_schema_extra={"examples": [BATCH_RESULTS]}))
class Batch(TypedDict):
    """What became of each item, in order."""

    object: Literal["batch"]
    results: Annotated[list[BatchSuccess | BatchFailure], Field(min_length=1, max_length=100)]


@with_config(ConfigDict(json_schema_extra={"examples": [LEDGER["checkpoint"]]}))
class Checkpoint(checkpoint_models.Checkpoint):
    """What a ledger was up to a position, signed: keep it where nobody can change it."""


@with_config(ConfigDict(json_schema_extra={"examples": [LEDGER]}))
class Ledger(TypedDict):
    """How far a merchant's ledger goes, and what of it was signed last."""

    object: Literal["ledger"]
    merchantId: str
    epoch: Epoch
    position: Annotated[int, Field(ge=0, description="Of the last event; 0 while there is none.")]
    hash: Hash
    recordedAt: Microseconds
    checkpoint: Annotated[Checkpoint | None, Field(description="Null until the first one is signed.")]
    publicKey: Annotated[PublicKey, Field(description="It signs checkpoints and certificates of erasure.")]


class Health(TypedDict):
    """The process lives."""

    status: Literal["ok"]


class Ready(TypedDict):
    """The process takes requests."""

    status: Literal["ready"]


class Unready(TypedDict):
    """The process should get no requests now."""

    status: Literal["unready"]
    reason: str
