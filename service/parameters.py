"""Query strings, read into models: which parameters an operation takes, and what each may be.

In: the decoded name and value pairs of a query. Out: an instance of the operation's model, or a refusal
that names the parameter: UnknownParameter, InvalidCursor, and InvalidRequest for a repeated parameter or a
value that does not fit. All are 400.

A model's fields are the parameters, their aliases the names on the wire. A field that is a dictionary
collects the parameters `name[key]`, whatever the key. A validator says what would be right by `must(...)`,
a sentence that continues the parameter's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Any, Literal, TypeVar, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from events.ids import CUSTOMER_PREFIX, ID_PATTERN, is_id
from events.strict_json import shown
from service.api_error import ApiError
from service.errors import InvalidCursor, InvalidRequest, UnknownParameter

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
LATEST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that dates of four-digit years know

_INTEGER = re.compile(r"-?[0-9]{1,18}")


class Parameters(BaseModel):
    """An operation's query parameters; of one that takes none these."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


P = TypeVar("P", bound=Parameters)


def parse_query(model: type[P], pairs: Iterable[tuple[str, str]]) -> P:
    """The parameters that a query gives."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise InvalidRequest(f"{shown(name)} is given more than once", param=shown(name))
        given[name] = value
    try:
        return model.model_validate(_nested(given, dictionaries(model)))
    except ValidationError as error:
        found = error.errors(include_url=False)
        unknown = [details for details in found if details["type"] == "extra_forbidden"]
        raise _refusal(model, (unknown or found)[0]) from None


def dictionaries(model: type[Parameters]) -> list[str]:
    """The names of parameters that take a key in brackets."""
    fields = model.model_fields.items()
    return [field.alias or name for name, field in fields if get_origin(field.annotation) is dict]


def _nested(given: dict[str, str], names: Collection[str]) -> dict[str, Any]:
    """The same with each `name[key]` of these names moved into a dictionary."""
    nested: dict[str, Any] = {}
    for parameter, value in given.items():
        name, bracket, key = parameter.partition("[")
        if name in names and not bracket:
            raise InvalidRequest(f"{name} must be given with a key: {name}[key]=value", param=name)
        if name in names and key.endswith("]"):
            nested.setdefault(name, {})[key[:-1]] = value
        else:
            nested[parameter] = value
    return nested


def must(sentence: str) -> PydanticCustomError:
    """What is wrong with a value: `limit must be …` without the name."""
    return PydanticCustomError("must", "{sentence}", {"sentence": f"must {sentence}"})


def whole_number(least: int, most: int, what: str = "an integer") -> Callable[[str], int]:
    """Reads an integer within these limits, in ASCII digits."""

    def read(text: str) -> int:
        if not _INTEGER.fullmatch(text) or not least <= int(text) <= most:
            raise must(f"be {what} from {least} to {most}")
        return int(text)

    return read


def true_or_false(text: str) -> bool:
    """Reads a boolean."""
    if text not in {"true", "false"}:
        raise must("be true or false")
    return text == "true"


def within(least: int, most: int) -> Any:
    """What a JSON schema says of that."""
    return Field(json_schema_extra={"minimum": least, "maximum": most})


def _customer_id(text: str) -> str:
    if not is_id(CUSTOMER_PREFIX, text):
        raise PydanticCustomError("invalid_cursor", "is no customer's id")
    return text


Limit = Annotated[int, BeforeValidator(whole_number(1, MAX_LIMIT)), within(1, MAX_LIMIT)]
Flag = Annotated[bool, BeforeValidator(true_or_false)]
CursorId = Annotated[
    str,
    BeforeValidator(_customer_id),
    Field(
        description="The id of a customer, deleted or not, to go on from. One of the two cursors at most.",
        json_schema_extra={"pattern": f"^{CUSTOMER_PREFIX}{ID_PATTERN}$"},
    ),
]


class Expandable(Parameters):
    """What shows customers can show their stats too."""

    expand: Literal["stats"] | None = Field(
        None, description="`stats` adds `invoiceCount`, `chargeCount` and `totalSpent` to each customer."
    )


def _refusal(model: type[Parameters], details: ErrorDetails) -> ApiError:
    name = _name(details)
    if details["type"] == "extra_forbidden":
        keyed = dictionaries(model)
        names = [field.alias or key for key, field in model.model_fields.items()]
        known = [f"{known}[key]" if known in keyed else known for known in names]
        return UnknownParameter(name, known)
    if details["type"] == "invalid_cursor":
        return InvalidCursor(name)
    if details["type"] == "literal_error":
        return InvalidRequest(f"{name} must be {details['ctx']['expected']}", param=name)
    return InvalidRequest(f"{name} {details['msg']}", param=name)


def _name(details: ErrorDetails) -> str:
    """The parameter at fault, as it was given but for its length."""
    name, *key = map(str, details["loc"])
    return shown(f"{name}[{key[0]}]" if key else name)
