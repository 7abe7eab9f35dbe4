"""Reads of one customer, never stale.

In: a request. Out: a row of the read model, which is the answer's JSON already.
"""

from __future__ import annotations

from aiohttp import web

from events.ids import CUSTOMER_PREFIX, is_id
from projections.stats import stats_of
from service.audit.past import GetParameters, get_past_customer
from service.call import Call
from service.errors import CustomerNotFound
from service.preconditions import etag, etag_with_stats
from service.responses import with_stats
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
