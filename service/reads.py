"""Reads of one customer, never stale.

In: a request. Out: a row of the read model, which is the answer's JSON already.
"""

from __future__ import annotations

from aiohttp import web

from events.ids import CUSTOMER_PREFIX, is_id
from projections.stats import stats_of
from service.call import Call
from service.errors import CustomerNotFound
from service.parameters import Expandable
from service.preconditions import etag, etag_with_stats, matches_if_none_match
from service.responses import customer_response, not_modified, with_stats


async def get_customer(call: Call, asked: Expandable) -> web.Response:
    """GET /v1/customers/{id}."""
    customer_id = call.request.match_info["id"]
    if not is_id(CUSTOMER_PREFIX, customer_id):
        raise CustomerNotFound
    row = await call.services.customers.by_id(call.merchant_id, customer_id)
    if row is None:
        raise CustomerNotFound
    body, tag = row.body, etag(row.version)
    if asked.expand and not row.deleted:
        stats = (await stats_of(call.services.database, call.merchant_id, [customer_id]))[customer_id]
        body, tag = with_stats(body, stats), etag_with_stats(row.version, stats)
    header = call.list_header("If-None-Match")
    if header is not None and matches_if_none_match(header, tag):
        return not_modified(tag)
    return customer_response(body, tag)
