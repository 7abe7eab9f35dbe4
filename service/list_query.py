"""What GET /v1/customers may be asked, and what that means to the read model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from service.email_address import lookup_key
from service.errors import InvalidRequest
from service.parameters import CursorId, Expandable, must, whole_number, within

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
LATEST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that dates of four-digit years know
EARLIEST, LATEST = 0, 2**62
"""Moments (µs) between which everything happens."""

_MICROSECONDS = 1_000_000  # in a second

Span = tuple[int, int]
"""From one moment until another, both inclusive, in µs since 1970."""


def _not_empty(text: str) -> str:
    if not text:
        raise must("not be empty; leave it out to list every customer")
    return text


Limit = Annotated[
    int,
    BeforeValidator(whole_number(1, MAX_LIMIT)),
    within(1, MAX_LIMIT),
    Field(description="How many customers a page has at most."),
]
Second = Annotated[
    int,
    BeforeValidator(whole_number(0, LATEST_SECOND)),
    within(0, LATEST_SECOND),
    Field(
        description="A second of Unix time. `gt` is after it, `gte` in it or after, `lt` before it, `lte` in "
        "it or before."
    ),
]
Exactly = Annotated[
    str,
    AfterValidator(_not_empty),
    Field(description="Exactly this, but for its spelling.", json_schema_extra={"minLength": 1}),
]


class ListParameters(Expandable):
    """The parameters of GET /v1/customers."""

    limit: Limit = DEFAULT_LIMIT
    starting_after: CursorId | None = None
    ending_before: CursorId | None = None
    email: Exactly | None = None
    created_gt: Second | None = Field(None, alias="created[gt]")
    created_gte: Second | None = Field(None, alias="created[gte]")
    created_lt: Second | None = Field(None, alias="created[lt]")
    created_lte: Second | None = Field(None, alias="created[lte]")
    updated_gt: Second | None = Field(None, alias="updated[gt]")
    updated_gte: Second | None = Field(None, alias="updated[gte]")
    updated_lt: Second | None = Field(None, alias="updated[lt]")
    updated_lte: Second | None = Field(None, alias="updated[lte]")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """One page: at most `limit` customers that match all filters, beyond one cursor (an id; never both).

    `email_key` is the folded key to match, empty when what was typed is no email address and so matches none.
    """

    limit: int = DEFAULT_LIMIT
    starting_after: str | None = None
    ending_before: str | None = None
    email_key: str | None = None
    created: Span = (EARLIEST, LATEST)
    updated: Span = (EARLIEST, LATEST)
    with_stats: bool = False


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
    )


def _span(after: int | None, since: int | None, before: int | None, until: int | None) -> Span:
    """The inclusive microseconds that `[gt]`, `[gte]`, `[lt]` and `[lte]`, in seconds, leave together."""
    # An event happens within a second and shows that second, so "later than s" begins with the next one.
    lower = [s * _MICROSECONDS for s in (None if after is None else after + 1, since) if s is not None]
    upper = [s * _MICROSECONDS - 1 for s in (before, None if until is None else until + 1) if s is not None]
    return max(lower, default=EARLIEST), min(upper, default=LATEST)
