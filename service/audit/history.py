"""GET /v1/customers/{id}/history: what happened to a customer, who did it, and what it changed.

In: a request. Out: a page of the customer's events, also of a deleted one: nothing that happened is undone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BeforeValidator, Field

from events.history import creation_of
from events.ids import CUSTOMER_PREFIX, is_id
from service.audit.history_items import history_items
from service.audit.past import MOST
from service.call import Call
from service.errors import CustomerNotFound
from service.list_links import link_header
from service.parameters import DEFAULT_LIMIT, MAX_LIMIT, Limit, Parameters, whole_number, within
from service.responses import list_response


class HistoryParameters(Parameters):
    """The parameters of a history."""

    limit: Limit = Field(DEFAULT_LIMIT, description=f"Events on a page, at most {MAX_LIMIT}.")
    order: Literal["asc", "desc"] = Field("desc", description="Oldest or newest first.")
    starting_after: Annotated[int, BeforeValidator(whole_number(1, MOST)), within(1, MOST)] | None = Field(
        None, description="Go on beyond this version, in the order asked for: the last version of a page."
    )


async def get_history(call: Call, asked: HistoryParameters) -> web.Response:
    """GET /v1/customers/{id}/history."""
    customer_id = call.request.match_info["id"]
    if not is_id(CUSTOMER_PREFIX, customer_id):
        raise CustomerNotFound
    page = await call.services.history.page(
        call.merchant_id,
        customer_id,
        asked.limit,
        newest_first=asked.order == "desc",
        beyond=asked.starting_after,
    )
    if not page.events and await creation_of(call.services.database, call.merchant_id, customer_id) is None:
        raise CustomerNotFound
    items = await history_items(call.services.database, call.merchant_id, page.events)
    url = f"/v1/customers/{customer_id}/history"
    last = str(page.events[-1].version) if page.has_more else None
    link = link_header(url, call.query, next_after=last, prev_before=None)
    return list_response(url, items, has_more=page.has_more, link=link)
