"""Lists, as far as the read model has come.

In: a request. Out: a page of rows, which are the answer's JSON already, and what was asked beside it: the
total, stats, the ways to other pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import web

from events.history import creation_of
from projections.customer_list import (
    ALWAYS,
    EARLIEST,
    LATEST,
    NEWER,
    OLDER,
    CustomerList,
    Filters,
    Listed,
    ListPage,
    Span,
    Total,
)
from projections.stats import Stats, stats_of
from service.call import Call
from service.errors import InvalidCursor, ProjectionLagging
from service.list_links import link_header
from service.list_query import ListParameters, ListQuery, list_query
from service.responses import list_response, with_deletion, with_stats

URL = "/v1/customers"
FRESH_SECONDS = 2.0
"""How long a list waits, at most, for the read model."""

_SECOND = 1_000_000  # µs


class Found(NamedTuple):
    """A page, how many customers match if that was asked, and the `Link` header."""

    page: ListPage
    total: Total | None
    link: str | None


async def get_customers(call: Call, asked: ListParameters) -> web.Response:
    """GET /v1/customers."""
    query = list_query(asked)
    after = await _place(call, "startingAfter", query.starting_after)
    before = await _place(call, "endingBefore", query.ending_before)
    filters = query.filters(call.merchant_id)
    if query.email_key is not None:
        found = await _by_email(call, query.email_key, filters, _beyond(after, before))
    else:
        found = await _by_filters(call, query, filters, after, before)
    page, total, link = found
    bodies = await _bodies(call, page, expanded=query.with_stats)
    counted = total if query.count else None
    return list_response(URL, bodies, has_more=page.has_more, total=counted, link=link)


async def _place(call: Call, name: str, customer_id: str | None) -> int | None:
    """The moment of a cursor's customer."""
    if customer_id is None:
        return None
    place = await creation_of(call.services.database, call.merchant_id, customer_id)
    if place is None:
        raise InvalidCursor(name)
    return place


def _beyond(after: int | None, before: int | None) -> Span:
    """What lies beyond a cursor, of which there is one at most."""
    if after is not None:
        return EARLIEST, after - 1
    return (before + 1, LATEST) if before is not None else ALWAYS


async def _by_email(call: Call, email_key: str, filters: Filters, span: Span) -> Found:
    """The one customer with an email, as of now, if it matches. There are no other pages."""
    row = await call.services.customers.by_email(call.merchant_id, email_key)
    if row is None or not filters.match(call.merchant_id, row):
        return Found(ListPage([], has_more=False), Total(0, capped=False), None)
    within = span[0] <= row.created_at <= span[1]
    listed = [Listed(row.customer_id, row.created_at, row.body, None)] if within else []
    return Found(ListPage(listed, has_more=False), Total(1, capped=False), None)


async def _by_filters(
    call: Call, query: ListQuery, filters: Filters, after: int | None, before: int | None
) -> Found:
    services, merchant_id = call.services, call.merchant_id
    if query.fresh and not await services.freshness.caught_up(merchant_id, FRESH_SECONDS):
        raise ProjectionLagging
    customers = CustomerList(services.lists, merchant_id, filters)
    direction = OLDER if before is None else NEWER
    page = await customers.page(query.limit, _beyond(after, before), direction)
    total = await customers.total() if query.count else None
    return Found(page, total, await _link(call, customers, page, after, before))


async def _link(
    call: Call, customers: CustomerList, page: ListPage, after: int | None, before: int | None
) -> str | None:
    """The ways on from a page: `has_more` tells of the direction asked, the other one has to be looked at."""
    if not page.customers:
        return None
    older, newer = page.has_more, False
    if after is not None:  # the cursor's own customer is the nearest one back, unless it does not match
        newer = (await customers.page(0, (after, LATEST), NEWER)).has_more
    if before is not None:
        older, newer = (await customers.page(0, (EARLIEST, before), OLDER)).has_more, page.has_more
    return link_header(
        URL,
        call.query,
        next_after=page.customers[-1].customer_id if older else None,
        prev_before=page.customers[0].customer_id if newer else None,
    )


async def _bodies(call: Call, page: ListPage, *, expanded: bool) -> list[bytes]:
    """What each is in the list: a customer, with its stats if asked, or a tombstone with its moment."""
    ids = [one.customer_id for one in page.customers if one.deleted_at is None]
    stats = await stats_of(call.services.database, call.merchant_id, ids) if expanded else {}
    return [_body(one, stats) for one in page.customers]


def _body(one: Listed, stats: Mapping[str, Stats]) -> bytes:
    if one.deleted_at is not None:
        return with_deletion(one.body, one.deleted_at // _SECOND)
    return with_stats(one.body, stats[one.customer_id]) if one.customer_id in stats else one.body
