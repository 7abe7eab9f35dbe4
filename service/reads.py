"""Reads: one customer, never stale; lists, as far as the read model has come.

In: a request. Out: rows of the read model, which are the answer's JSON already.
"""

from __future__ import annotations

from aiohttp import web

from events.ids import CUSTOMER_PREFIX, is_id
from projections.customers import Cursor, CustomerRow, Page, find_cursor, list_customers
from service.call import Call
from service.errors import CustomerNotFound, InvalidCursor
from service.list_query import ListQuery, parse_get_query, parse_list_query
from service.preconditions import matches_if_none_match
from service.responses import customer_response, list_response, not_modified

EARLIEST, LATEST = 0, 2**62
"""Moments (µs) that every customer was created between."""


async def get_customer(call: Call) -> web.Response:
    """GET /v1/customers/{id}."""
    parse_get_query(call.query)
    customer_id = call.request.match_info["id"]
    if not is_id(CUSTOMER_PREFIX, customer_id):
        raise CustomerNotFound
    row = await call.services.customers.by_id(call.merchant_id, customer_id)
    if row is None:
        raise CustomerNotFound
    header = call.list_header("If-None-Match")
    if header is not None and matches_if_none_match(header, row.version):
        return not_modified(row.version)
    return customer_response(row.body, row.version)


async def get_customers(call: Call) -> web.Response:
    """GET /v1/customers."""
    query = parse_list_query(call.query)
    after = await _cursor(call, "startingAfter", query.starting_after)
    before = await _cursor(call, "endingBefore", query.ending_before)
    if query.email_key is not None:
        row = await call.services.customers.by_email(call.merchant_id, query.email_key)
        page = Page([row.body] if row and _fits(row, query, after, before) else [], has_more=False)
    else:
        page = await list_customers(
            call.services.database, call.merchant_id, _created(query), query.limit, after=after, before=before
        )
    return list_response("/v1/customers", page.bodies, has_more=page.has_more)


async def _cursor(call: Call, name: str, customer_id: str | None) -> Cursor | None:
    if customer_id is None:
        return None
    cursor = await find_cursor(call.services.database, call.merchant_id, customer_id)
    if cursor is None:
        raise InvalidCursor(name)
    return cursor


def _created(query: ListQuery) -> tuple[int, int]:
    return (
        EARLIEST if query.created_from is None else query.created_from,
        LATEST if query.created_until is None else query.created_until,
    )


def _fits(row: CustomerRow, query: ListQuery, after: Cursor | None, before: Cursor | None) -> bool:
    """Whether the one customer with an email matches the other filters and lies beyond the cursor."""
    earliest, latest = _created(query)
    place = Cursor(row.created_at, row.customer_id)
    return (
        earliest <= row.created_at <= latest
        and (after is None or place < after)
        and (before is None or place > before)
    )
