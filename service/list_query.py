"""Query strings: what a list asks for, and which parameters a route takes at all.

In: the decoded name and value pairs of a query. Out: a `ListQuery`, or a refusal that names the parameter:
UnknownParameter, InvalidCursor, and InvalidRequest for a repeated parameter or a bad value. All are 400.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from events.ids import CUSTOMER_PREFIX, is_id
from service.email_address import lookup_key
from service.errors import InvalidCursor, InvalidRequest, UnknownParameter

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
LATEST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that dates of four-digit years know

_MICROSECONDS = 1_000_000  # in a second
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_CURSORS = ("startingAfter", "endingBefore")
_OPERATORS = ("gt", "gte", "lt", "lte")
_RANGES = tuple(f"{name}[{operator}]" for name in ("created", "updated") for operator in _OPERATORS)
_EXPAND = "expand"
LIST_PARAMETERS = ("limit", *_CURSORS, "email", *_RANGES, _EXPAND)
GET_PARAMETERS = (_EXPAND,)
EARLIEST, LATEST = 0, 2**62
"""Moments (µs) between which everything happens."""

Span = tuple[int, int]
"""From one moment until another, both inclusive, in µs since 1970."""


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


def parse_list_query(pairs: Iterable[tuple[str, str]]) -> ListQuery:
    """What GET /v1/customers asks for."""
    given = _once_each(pairs, LIST_PARAMETERS)
    starting_after, ending_before = (_cursor(given, name) for name in _CURSORS)
    if starting_after is not None and ending_before is not None:
        raise InvalidRequest("Give startingAfter or endingBefore, not both", param="endingBefore")
    return ListQuery(
        limit=_integer(given, "limit", 1, MAX_LIMIT, DEFAULT_LIMIT),
        starting_after=starting_after,
        ending_before=ending_before,
        email_key=_email_key(given),
        created=_span(given, "created"),
        updated=_span(given, "updated"),
        with_stats=_with_stats(given),
    )


def parse_no_query(pairs: Iterable[tuple[str, str]]) -> None:
    """For the routes that take no parameters."""
    _once_each(pairs, ())


def parse_get_query(pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether GET /v1/customers/{id} asks for stats too."""
    return _with_stats(_once_each(pairs, GET_PARAMETERS))


def _with_stats(given: dict[str, str]) -> bool:
    text = given.get(_EXPAND)
    if text not in {None, "stats"}:
        raise InvalidRequest('expand can only be "stats"', param=_EXPAND)
    return text is not None


def _once_each(pairs: Iterable[tuple[str, str]], known: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise UnknownParameter(name, known)
        if name in given:
            raise InvalidRequest(f"{name} is given more than once", param=name)
        given[name] = value
    return given


def _integer(given: dict[str, str], name: str, least: int, most: int, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text) or not least <= int(text) <= most:
        raise InvalidRequest(f"{name} must be an integer from {least} to {most}", param=name)
    return int(text)


def _cursor(given: dict[str, str], name: str) -> str | None:
    text = given.get(name)
    if text is not None and not is_id(CUSTOMER_PREFIX, text):
        raise InvalidCursor(name)
    return text


def _email_key(given: dict[str, str]) -> str | None:
    text = given.get("email")
    if text == "":
        raise InvalidRequest("email must not be empty; leave it out to list every customer", param="email")
    return None if text is None else lookup_key(text)


def _span(given: dict[str, str], name: str) -> Span:
    """The inclusive microseconds that `name[gt]`, `[gte]`, `[lt]` and `[lte]`, in seconds, leave together."""

    def second(operator: str) -> int | None:
        parameter = f"{name}[{operator}]"
        return _integer(given, parameter, 0, LATEST_SECOND, 0) if parameter in given else None

    after, since, before, until = map(second, _OPERATORS)
    # An event happens within a second and shows that second, so "later than s" begins with the next one.
    lower = [s * _MICROSECONDS for s in (None if after is None else after + 1, since) if s is not None]
    upper = [s * _MICROSECONDS - 1 for s in (before, None if until is None else until + 1) if s is not None]
    return max(lower, default=EARLIEST), min(upper, default=LATEST)
