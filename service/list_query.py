"""What GET /v1/customers may be asked, and what that means to the read model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from projections.customer_list import ALWAYS, EARLIEST, LATEST, Filters, Span
from projections.search_terms import wanted_terms
from service.email_address import lookup_key
from service.errors import InvalidRequest
from service.parameters import (
    DEFAULT_LIMIT,
    LATEST_SECOND,
    CursorId,
    Expandable,
    Flag,
    Limit,
    must,
    whole_number,
    within,
)

MAX_WORDS_LENGTH = 256  # code points, as of the next three
MAX_COMPANY_NAME_LENGTH = 256
MAX_KEY_LENGTH = 40
MAX_VALUE_LENGTH = 500

_MICROSECONDS = 1_000_000  # in a second


def _not_empty(text: str) -> str:
    if not text:
        raise must("not be empty; leave it out to list every customer")
    return text


def _at_most(length: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if len(text) > length:
            raise must(f"have at most {length} characters, it has {len(text)}")
        return _not_empty(text)

    return check


def _limits(length: int) -> Any:
    """What a JSON schema says of such a text."""
    return Field(json_schema_extra={"minLength": 1, "maxLength": length})


def _key(text: str) -> str:
    if not 1 <= len(text) <= MAX_KEY_LENGTH or "[" in text or "]" in text:
        raise must(f"have a key of 1 to {MAX_KEY_LENGTH} characters without [ and ]")
    return text


Second = Annotated[
    int,
    BeforeValidator(whole_number(0, LATEST_SECOND, "Unix seconds, an integer")),
    within(0, LATEST_SECOND),
    Field(
        description="A second of Unix time. `gt` is after it, `gte` in it or after, `lt` before it, `lte` in "
        "it or before."
    ),
]
Exactly = Annotated[
    str,
    AfterValidator(_not_empty),
    Field(description="Exactly this.", json_schema_extra={"minLength": 1}),
]
CompanyName = Annotated[
    str,
    AfterValidator(_at_most(MAX_COMPANY_NAME_LENGTH)),
    _limits(MAX_COMPANY_NAME_LENGTH),
    Field(description="Exactly this."),
]
Words = Annotated[
    str,
    AfterValidator(_at_most(MAX_WORDS_LENGTH)),
    _limits(MAX_WORDS_LENGTH),
    Field(
        description="Words: each has to be the beginning of a word in `email`, `name` or `companyName`. Case "
        "and accents make no difference."
    ),
]
Key = Annotated[str, AfterValidator(_key)]
Value = Annotated[str, AfterValidator(_at_most(MAX_VALUE_LENGTH)), _limits(MAX_VALUE_LENGTH)]
_METADATA: Any = Field(
    default_factory=dict,
    description="`metadata[key]=value`: exactly this value. Several keys may be given.",
    json_schema_extra={
        "propertyNames": {"minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": r"^[^\[\]]*$"}
    },
)


class ListParameters(Expandable):
    """The parameters of GET /v1/customers."""

    limit: Limit = Field(DEFAULT_LIMIT, description="How many customers a page has at most.")
    starting_after: CursorId | None = None
    ending_before: CursorId | None = None
    email: Exactly | None = Field(None, description="This address, however it is spelled.")
    company_name: CompanyName | None = None
    metadata: dict[Key, Value] = _METADATA
    q: Words | None = None
    created_gt: Second | None = Field(None, alias="created[gt]")
    created_gte: Second | None = Field(None, alias="created[gte]")
    created_lt: Second | None = Field(None, alias="created[lt]")
    created_lte: Second | None = Field(None, alias="created[lte]")
    updated_gt: Second | None = Field(None, alias="updated[gt]")
    updated_gte: Second | None = Field(None, alias="updated[gte]")
    updated_lt: Second | None = Field(None, alias="updated[lt]")
    updated_lte: Second | None = Field(None, alias="updated[lte]")
    deleted: Flag = Field(
        False, description="List tombstones too; of all filters only `created` and `updated` match them."
    )
    count: Flag = Field(
        False, description="Count what matches the filters, whatever the page: `totalCount`, up to 10,000."
    )
    fresh: Flag = Field(
        False, description="Wait, for 2 seconds at most, until all that was stored before is in the list."
    )


@dataclass(frozen=True, slots=True)
class ListQuery:
    """One page: at most `limit` customers that match all filters, beyond one cursor (an id; never both).

    `email_key` is the folded key to match, empty when what was typed is no email address and so matches none.
    """

    limit: int = DEFAULT_LIMIT
    starting_after: str | None = None
    ending_before: str | None = None
    email_key: str | None = None
    created: Span = ALWAYS
    updated: Span = ALWAYS
    with_stats: bool = False
    company_name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    words: str | None = None
    deleted: bool = False
    count: bool = False
    fresh: bool = False

    def filters(self, merchant_id: str) -> Filters:
        """All filters but `email`, as the read model of this merchant takes them."""
        terms = wanted_terms(
            merchant_id, company_name=self.company_name, metadata=self.metadata, words=self.words
        )
        return Filters(self.created, self.updated, terms, self.deleted)


def list_query(asked: ListParameters) -> ListQuery:
    """What the parameters ask for. Raises InvalidRequest: they contradict each other."""
    if asked.starting_after is not None and asked.ending_before is not None:
        raise InvalidRequest("Give startingAfter or endingBefore, not both", param="endingBefore")
    return ListQuery(
        asked.limit,
        asked.starting_after,
        asked.ending_before,
        None if asked.email is None else lookup_key(asked.email),
        _span(asked.created_gt, asked.created_gte, asked.created_lt, asked.created_lte),
        _span(asked.updated_gt, asked.updated_gte, asked.updated_lt, asked.updated_lte),
        asked.expand is not None,
        asked.company_name,
        asked.metadata,
        asked.q,
        asked.deleted,
        asked.count,
        asked.fresh,
    )


def _span(after: int | None, since: int | None, before: int | None, until: int | None) -> Span:
    """The inclusive microseconds that `[gt]`, `[gte]`, `[lt]` and `[lte]`, in seconds, leave together."""
    # An event happens within a second and shows that second, so "later than s" begins with the next one.
    lower = [s * _MICROSECONDS for s in (None if after is None else after + 1, since) if s is not None]
    upper = [s * _MICROSECONDS - 1 for s in (before, None if until is None else until + 1) if s is not None]
    return max(lower, default=EARLIEST), min(upper, default=LATEST)
