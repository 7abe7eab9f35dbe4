"""What clients say about a customer: the members of POST and PATCH bodies, checked and normalised.

In: an object that passed the JSON gate. Out: a `Patch`, the members that it gives, to be merged (RFC 7396)
into `Values`, the eight personal members in the contract's order with unset ones None. Nothing is coerced:
strings stay as sent, but for the email (trimmed) and the country (upper-cased).

Two rules where the contract is silent: a metadata value, like every other string, may not be empty (null
unsets it), and a name needs a character that is not white space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NotRequired, TypeAlias

import orjson
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    with_config,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from events.customer import MEMBERS
from service.email_address import MAX_EMAIL_LENGTH, check_email
from service.errors import CustomerTooLarge, InvalidRequest, MemberError
from service.idempotency import key_text
from service.input_schemas import COUNTRY, EMAIL, IDEMPOTENCY_KEY, MAX_METADATA_KEYS, METADATA, NAME, TEXT
from service.member_errors import member_errors

Values: TypeAlias = dict[str, Any]
Patch: TypeAlias = dict[str, Any]

NOBODY: Values = dict.fromkeys(MEMBERS)

MAX_BATCH = 100  # items
MAX_CUSTOMER_BYTES = 32 * 1024  # of the customer's JSON in UTF-8


def _email(text: str) -> str:
    try:
        return check_email(text)
    except ValueError as error:
        code = "too_long" if len(text.strip()) > MAX_EMAIL_LENGTH else "invalid_format"
        raise PydanticCustomError(code, "{reason}", {"reason": str(error)}) from None


Email = Annotated[str, StringConstraints(min_length=1), AfterValidator(_email), EMAIL]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"\S"), NAME]
Phone = Annotated[str, StringConstraints(min_length=1, max_length=32), TEXT]
Line = Annotated[str, StringConstraints(min_length=1, max_length=256), TEXT]
Country = Annotated[str, StringConstraints(min_length=1, pattern=r"^[A-Za-z]{2}$", to_upper=True), COUNTRY]
TaxId = Annotated[str, StringConstraints(min_length=1, max_length=64), TEXT]
Description = Annotated[str, StringConstraints(min_length=1, max_length=5000), TEXT]
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


def _idempotency_key(text: str) -> str:
    try:
        return key_text(text)
    except InvalidRequest as error:
        raise PydanticCustomError(
            "invalid_format", "{reason}", {"reason": error.message.removeprefix("Idempotency-Key ")}
        ) from None


IdempotencyKey = Annotated[str, AfterValidator(_idempotency_key), IDEMPOTENCY_KEY]
Metadata = Annotated[dict[MetadataKey, MetadataValue | None], AfterValidator(_within_limit), METADATA]

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
    """A new customer. Null is the same as absent."""

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
    """A JSON merge patch (RFC 7396): null clears, what is absent stays."""

    email: Email
    name: Name
    phone: Phone | None
    address: Address | None
    companyName: Line | None
    taxId: TaxId | None
    description: Description | None
    metadata: Metadata | None


@with_config(_STRICT)
class BatchItem(CreateCustomer):
    """A customer to create, and what identifies this creation when it is sent again."""

    idempotencyKey: NotRequired[IdempotencyKey | None]


@with_config(_STRICT)
class CreateCustomers(TypedDict):
    """A batch: each item succeeds or fails by itself."""

    customers: Annotated[list[BatchItem], Field(min_length=1, max_length=MAX_BATCH)]


@with_config(_STRICT)
class _Items(TypedDict):
    """A batch before its items are looked into."""

    customers: Annotated[list[Any], Field(min_length=1, max_length=MAX_BATCH)]


_validate_create = TypeAdapter(CreateCustomer).validator.validate_python
_validate_batch = TypeAdapter(_Items).validator.validate_python
_validate_item = TypeAdapter(BatchItem).validator.validate_python
_validate_patch = TypeAdapter(PatchCustomer).validator.validate_python


def parse_create(members: dict[str, Any]) -> Patch:
    """The members given of a new customer; InvalidRequest lists every one at fault."""
    return _parse(_validate_create, members)


def parse_batch(members: dict[str, Any]) -> list[Any]:
    """The items of a batch, not yet looked into; InvalidRequest says what is wrong with it as a whole."""
    items: list[Any] = _parse(_validate_batch, members, "a batch")["customers"]
    return items


def parse_item(item: Any) -> tuple[Patch, str | None]:
    """The members given of a new customer, and the item's idempotency key. Raises InvalidRequest."""
    if type(item) is not dict:
        raise InvalidRequest("The item must be an object with the members of a customer")
    given = _parse(_validate_item, item)
    return given, given.pop("idempotencyKey", None)


def parse_patch(members: dict[str, Any]) -> Patch:
    """The members given, None where they are to be cleared; InvalidRequest lists every one at fault."""
    return _parse(_validate_patch, members)


def _parse(validate: Callable[[Any], Any], members: dict[str, Any], of: str = "a customer") -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = validate(members)
    except ValidationError as error:
        raise InvalidRequest.of_members(member_errors(error, of)) from None
    return parsed


def new_values(given: Patch) -> Values:
    """The values of a new customer of these members: what they come to when merged into nothing."""
    return apply_patch(NOBODY, given)


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
