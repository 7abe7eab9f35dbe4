"""The request body all peers validate, with the limits of the HTTP contract."""

from __future__ import annotations

import time
from secrets import token_hex
from typing import Annotated

from pydantic import BaseModel, ConfigDict, EmailStr, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic.types import Strict

Short = Annotated[str, Strict(), StringConstraints(min_length=1, max_length=256)]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\[\]]*$")]
MetadataValue = Annotated[str, Strict(), StringConstraints(max_length=500)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, validate_by_alias=True)


class Address(Body):
    line1: Short | None = None
    line2: Short | None = None
    city: Short | None = None
    state: Short | None = None
    postal_code: Short | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$", to_upper=True)] | None = None


class Optionals(Body):
    phone: Annotated[str, Strict(), StringConstraints(min_length=1, max_length=32)] | None = None
    address: Address | None = None
    company_name: Short | None = None
    tax_id: Annotated[str, Strict(), StringConstraints(min_length=1, max_length=64)] | None = None
    description: Annotated[str, Strict(), StringConstraints(min_length=1, max_length=5000)] | None = None
    metadata: dict[MetadataKey, MetadataValue] | None = None


class NewCustomer(Optionals):
    email: EmailStr
    name: Short


class CustomerPatch(Optionals):
    """Only the members in `model_fields_set` were sent; email and name cannot be null."""

    email: EmailStr = ""
    name: Short = ""


def new_id() -> str:
    """Make an id of the contract's size that grows with time."""
    return f"cus_{time.time_ns() >> 20:010x}{token_hex(8)}"
