"""Reads: one customer, never stale; lists, as far as the read model has come.

In: a request. Out: rows of the read model, which are the answer's JSON already.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from events.ids import CUSTOMER_PREFIX, is_id
from projections.customer_list import Cursor, Listed, Page, find_cursor, list_customers
from projections.customers import CustomerRow
from projections.stats import stats_of
from service.call import Call
from service.errors import CustomerNotFound, InvalidCursor
from service.list_query import ListParameters, ListQuery, list_query
from service.past import GetParameters, get_past_customer
from service.preconditions import etag, etag_with_stats
from service.responses import list_response, with_stats
from service.results import respond_unless_known


async def get_customer(call: Call, asked: GetParameters) -> web.Response:
    """GET /v1/customers/{id}."""
    customer_id = call.request.match_info["id"]
    if not is_id(CUSTOMER_PREFIX, customer_id):
        raise CustomerNotFound
    if asked.is_past:
        return await get_past_customer(call, customer_id, asked)
    row = await call.services.customers.by_id(call.merchant_id, customer_id)
    if row is None:
        raise CustomerNotFound
    body, tag = row.body, etag(row.version)
    if asked.expand and not row.deleted:
        stats = (await stats_of(call.services.database, call.merchant_id, [customer_id]))[customer_id]
        body, tag = with_stats(body, stats), etag_with_stats(row.version, stats)
    return respond_unless_known(call, body, tag)


async def get_customers(call: Call, asked: ListParameters) -> web.Response:
    """GET /v1/customers."""
    query = list_query(asked)
    after = await _cursor(call, "startingAfter", query.starting_after)
    before = await _cursor(call, "endingBefore", query.ending_before)
    if query.email_key is not None:
        row = await call.services.customers.by_email(call.merchant_id, query.email_key)
        found = [Listed(row.customer_id, row.body)] if row and _fits(row, query, after, before) else []
        page = Page(found, has_more=False)
    else:
        page = await list_customers(
            call.services.database,
            call.merchant_id,
            query.limit,
            created=query.created,
            updated=query.updated,
            after=after,
            before=before,
        )
    bodies = [customer.body for customer in page.customers]
    if query.with_stats:
        bodies = await _expanded(call, page.customers)
    return list_response("/v1/customers", bodies, has_more=page.has_more)


async def _expanded(call: Call, customers: Sequence[Listed]) -> list[bytes]:
    ids = [customer.customer_id for customer in customers]
    stats = await stats_of(call.services.database, call.merchant_id, ids)
    return [with_stats(customer.body, stats[customer.customer_id]) for customer in customers]


async def _cursor(call: Call, name: str, customer_id: str | None) -> Cursor | None:
    if customer_id is None:
        return None
    cursor = await find_cursor(call.services.database, call.merchant_id, customer_id)
    if cursor is None:
        raise InvalidCursor(name)
    return cursor


def _fits(row: CustomerRow, query: ListQuery, after: Cursor | None, before: Cursor | None) -> bool:
    """Whether the one customer with an email matches the other filters and lies beyond the cursor."""
    place = Cursor(row.created_at, row.customer_id)
    return (
        query.created[0] <= row.created_at <= query.created[1]
        and query.updated[0] <= row.updated_at <= query.updated[1]
        and (after is None or place < after)
        and (before is None or place > before)
    )
