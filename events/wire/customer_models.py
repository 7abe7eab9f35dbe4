"""The customer object of the contract, as models: they describe its JSON to clients and subscribers.

Nothing is rendered by them (rendering.py does that); tests hold what is answered and published against them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from events.wire import patterns

CUSTOMER_ID = patterns.whole(patterns.CUSTOMER_ID)
MOST_METADATA_KEYS = 50

CustomerId = Annotated[
    str, Field(pattern=CUSTOMER_ID, description="Made by the service, ordered by time, opaque to clients.")
]
Seconds = Annotated[int, Field(ge=0, description="Unix time in seconds.")]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]


class CustomerAddress(TypedDict):
    """A postal address: all six members, null where unset."""

    line1: str | None
    line2: str | None
    city: str | None
    state: str | None
    postalCode: str | None
    country: Annotated[Country | None, Field(description="ISO 3166-1 alpha-2.")]


class CustomerObject(TypedDict):
    """A customer."""

    id: CustomerId
    object: Literal["customer"]
    email: Annotated[str, Field(description="As it was typed, trimmed.")]
    name: str
    phone: str | None
    address: CustomerAddress | None
    companyName: str | None
    taxId: str | None
    description: str | None
    metadata: (
        Annotated[dict[str, str], Field(title="Metadata", min_length=1, max_length=MOST_METADATA_KEYS)] | None
    )
    created: Seconds
    updated: Seconds


class Tombstone(TypedDict):
    """What is left of a deleted customer."""

    id: CustomerId
    object: Literal["customer"]
    deleted: Literal[True]
