"""What clients say about a customer: the members of POST and PATCH bodies, checked and normalised.

In: an object that passed the JSON gate. Out: `Values`, the eight personal members in the contract's order
with unset ones None, or a `Patch`, the members that a merge patch (RFC 7396) gives. Nothing is coerced:
strings stay as sent, but for the email (trimmed) and the country (upper-cased).

Two rules where the contract is silent: a metadata value, like every other string, may not be empty (null
unsets it), and a name needs a character that is not white space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NotRequired, TypeAlias

import orjson
from pydantic import AfterValidator, ConfigDict, StringConstraints, TypeAdapter, ValidationError, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from service.email_address import MAX_EMAIL_LENGTH, check_email
from service.errors import CustomerTooLarge, InvalidRequest, MemberError
from service.member_errors import member_errors

Values: TypeAlias = dict[str, Any]
Patch: TypeAlias = dict[str, Any]

MAX_METADATA_KEYS = 50
MAX_CUSTOMER_BYTES = 32 * 1024  # of the customer's JSON in UTF-8


def _email(text: str) -> str:
    try:
        return check_email(text)
    except ValueError as error:
        code = "too_long" if len(text.strip()) > MAX_EMAIL_LENGTH else "invalid_format"
        raise PydanticCustomError(code, "{reason}", {"reason": str(error)}) from None


Email = Annotated[str, StringConstraints(min_length=1), AfterValidator(_email)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"\S")]
Phone = Annotated[str, StringConstraints(min_length=1, max_length=32)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Country = Annotated[str, StringConstraints(min_length=1, pattern=r"^[A-Za-z]{2}$", to_upper=True)]
TaxId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Description = Annotated[str, StringConstraints(min_length=1, max_length=5000)]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\[\]]*$")]
MetadataValue = Annotated[str, StringConstraints(min_length=1, max_length=500)]


def _within_limit(metadata: dict[str, str | None]) -> dict[str, str | None]:
    """As many keys as a customer may have; a patch may clear any number more."""
    count = sum(value is not None for value in metadata.values())
    if count > MAX_METADATA_KEYS:
        raise PydanticCustomError("too_long", "{reason}", {"reason": _too_many_keys(count)})
    return metadata


def _too_many_keys(count: int) -> str:
    return f"may have at most {MAX_METADATA_KEYS} keys, it would have {count}"


Metadata = Annotated[dict[MetadataKey, MetadataValue | None], AfterValidator(_within_limit)]

_STRICT = ConfigDict(strict=True, extra="forbid")


@with_config(_STRICT)
class Address(TypedDict, total=False):
    """A postal address, or the changes to one."""

    line1: Line | None
    line2: Line | None
    city: Line | None
    state: Line | None
    postalCode: Line | None
    country: Country | None


@with_config(_STRICT)
class CreateCustomer(TypedDict):
    """The body of POST /v1/customers. Null is the same as absent."""

    email: Email
    name: Name
    phone: NotRequired[Phone | None]
    address: NotRequired[Address | None]
    companyName: NotRequired[Line | None]
    taxId: NotRequired[TaxId | None]
    description: NotRequired[Description | None]
    metadata: NotRequired[Metadata | None]


@with_config(_STRICT)
class PatchCustomer(TypedDict, total=False):
    """The body of PATCH /v1/customers/{id}. Null clears, absent leaves unchanged."""

    email: Email
    name: Name
    phone: Phone | None
    address: Address | None
    companyName: Line | None
    taxId: TaxId | None
    description: Description | None
    metadata: Metadata | None


_validate_create = TypeAdapter(CreateCustomer).validator.validate_python
_validate_patch = TypeAdapter(PatchCustomer).validator.validate_python


def parse_create(members: dict[str, Any]) -> Values:
    """The values of a new customer; InvalidRequest lists every member at fault."""
    try:
        given = _validate_create(members)
    except ValidationError as error:
        raise InvalidRequest.of_members(member_errors(error)) from None
    get = given.get
    return {
        "email": given["email"],
        "name": given["name"],
        "phone": get("phone"),
        "address": _whole_address(get("address")),
        "companyName": get("companyName"),
        "taxId": get("taxId"),
        "description": get("description"),
        "metadata": _whole_metadata(get("metadata")),
    }


def parse_patch(members: dict[str, Any]) -> Patch:
    """The members given, None where they are to be cleared; InvalidRequest lists every one at fault."""
    try:
        patch: Patch = _validate_patch(members)
    except ValidationError as error:
        raise InvalidRequest.of_members(member_errors(error)) from None
    return patch


def apply_patch(values: Values, patch: Patch) -> Values:
    """`values` after the merge patch (RFC 7396), normalised; neither argument is changed.

    InvalidRequest when the merged metadata has too many keys.
    """
    merged = values | patch
    for member, whole in _MERGED_BY_KEY:
        change = patch.get(member)
        if change is not None:
            merged[member] = whole((values[member] or {}) | change)
    return merged


def check_size(rendered: bytes) -> None:
    """CustomerTooLarge when the customer's JSON, the whole object as it is answered, exceeds its limit."""
    if len(rendered) > MAX_CUSTOMER_BYTES:
        sizes = {name: len(orjson.dumps(value)) for name, value in orjson.loads(rendered).items()}
        largest = max(sizes, key=lambda name: sizes[name])
        raise CustomerTooLarge(len(rendered), MAX_CUSTOMER_BYTES, largest, sizes[largest])


def _whole_address(address: dict[str, Any] | None) -> dict[str, str | None] | None:
    """All six members, or None when none of them is set."""
    if not address:
        return None
    get = address.get
    whole = {
        "line1": get("line1"),
        "line2": get("line2"),
        "city": get("city"),
        "state": get("state"),
        "postalCode": get("postalCode"),
        "country": get("country"),
    }
    return whole if any(whole.values()) else None


def _whole_metadata(metadata: dict[str, str | None] | None) -> dict[str, str] | None:
    """The keys that are set, or None when none is."""
    if not metadata:
        return None
    kept = {key: value for key, value in metadata.items() if value is not None}
    if len(kept) > MAX_METADATA_KEYS:
        message = f"metadata {_too_many_keys(len(kept))}"
        raise InvalidRequest.of_members([MemberError("metadata", "too_long", message)])
    return kept or None


_MERGED_BY_KEY: tuple[tuple[str, Callable[[dict[str, Any]], dict[str, Any] | None]], ...] = (
    ("address", _whole_address),
    ("metadata", _whole_metadata),
)
