"""GET /v1/events: what happened to the merchant's customers, in the order in which it happened.

In: a request. Out: a page of events, at once or as soon as there is one; or, to whom prefers it, a stream of
them (`event_stream.py`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

from events.feed import PAGE_BYTES, Page
from service.call import Call
from service.caller import caller_of
from service.feed.event_parameters import EventParameters, Place, place_of
from service.feed.event_stream import EPOCH, open_stream
from service.feed.following import Wanted
from service.http.accepting import prefers_stream
from service.http.hanging_up import while_connected
from service.list_links import link_header
from service.responses import events_response

URL = "/v1/events"


async def get_events(call: Call, asked: EventParameters) -> web.StreamResponse:
    """GET /v1/events."""
    if prefers_stream(call.list_header("Accept")):
        return await open_stream(call, asked)
    place = place_of(call, asked, in_stream=False)
    page = await call.services.feed.page(call.merchant_id, place.after, asked.limit, topics=asked.types)
    place.refuse_beyond(page.head.position)
    if asked.wait and not page.items:
        page = await _wait(call, asked, place, page)
    headers = {EPOCH: str(page.head.epoch)}
    next_after = str(page.reached) if page.has_more else None
    link = link_header(URL, call.query, next_after=next_after, cursor_after="after")
    if link is not None:
        headers["Link"] = link
    bodies = [item.body for item in page.items]
    return events_response(URL, bodies, has_more=page.has_more, next_after=page.reached, headers=headers)


async def _wait(call: Call, asked: EventParameters, place: Place, page: Page) -> Page:
    """The first page from there on with an event, or what is known when the time is over."""
    services = call.services
    wanted = Wanted(call.merchant_id, asked.types, asked.limit, PAGE_BYTES)
    with services.followers.one(call.merchant_id), while_connected(call.request), suppress(TimeoutError):
        async with asyncio.timeout(asked.wait):
            while not page.items and not services.stopping.is_set():
                page = await services.followers.next_page(wanted, page)
                place.refuse_beyond(page.head.position)
    (await caller_of(services, call.request)).require("read")  # which may have ended meanwhile
    return page
