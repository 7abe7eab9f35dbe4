"""Server-Sent Events: the event feed as one answer that goes on (HTML Living Standard §9.2).

In: a request that prefers text/event-stream. Out: each event as `id:` (its position), `event:` (its name) and
`data:` (the object), from the position asked for and then as they come; comments in between, so that nobody
on the way takes the connection for dead. It ends when the ledger begins another history, when the key may not
read any more, and at a stop: its client comes back with `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from time import monotonic

import structlog
from aiohttp import web

from events.errors import StoreError
from events.feed import Page
from service.api_error import ApiError
from service.body import EVENT_STREAM
from service.call import Call
from service.caller import caller_of
from service.feed.event_parameters import EventParameters, place_of, refuse_in_stream
from service.feed.following import Wanted
from service.http.hanging_up import while_connected

EPOCH = "Ledger-Epoch"
EVENTS_AT_ONCE = 100
BYTES_AT_ONCE = 64 * 1024
"""What a stream takes of the store at a time, and so what a slow reader can keep in memory."""
RETRY_MILLISECONDS = 2_000
CHECK_SECONDS = 5.0
"""The authenticator remembers a key for 10 s, an idle stream looks at its heartbeats: 30 s in all."""
PAUSE_SECONDS = 1.0
"""After a failure of the store."""

log = structlog.get_logger(__name__)


class EventStream(web.StreamResponse):
    """An answer whose body is made while it is sent."""

    def __init__(self, frames: AsyncGenerator[bytes, None], headers: dict[str, str]) -> None:
        super().__init__(headers=headers)
        self.force_close()  # whoever comes back may be better served elsewhere
        self._frames = frames

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body, and its end: aiohttp asks for the end once the head is sent."""
        async with aclosing(self._frames) as frames:
            async for frame in frames:
                await self.write(frame)
                del frame  # idle, a stream keeps nothing of what it has sent
        await super().write_eof(data)


async def open_stream(call: Call, asked: EventParameters) -> web.StreamResponse:
    """The stream. Raises InvalidRequest, InvalidCursor, StoreUnavailable: nothing of it was sent then."""
    refuse_in_stream(asked)
    place = place_of(call, asked, in_stream=True)
    wanted = Wanted(call.merchant_id, asked.types, EVENTS_AT_ONCE, BYTES_AT_ONCE)
    followers = call.services.followers
    with followers.one(call.merchant_id):
        page = await followers.first_page(wanted, place.after)
    place.refuse_beyond(page.head.position)
    headers = {"Content-Type": EVENT_STREAM, EPOCH: str(page.head.epoch), "X-Accel-Buffering": "no"}
    if call.request.method == "HEAD":
        return web.Response(headers=headers)
    return EventStream(_Stream(call, wanted, page).frames(), headers)


def encode(page: Page) -> bytes:
    """The events of a page."""
    return b"".join(
        b"id: %d\nevent: %b\ndata: %b\n\n" % (item.position, item.name.encode(), item.body)
        for item in page.items
    )


class _Stream:
    """One stream under way."""

    def __init__(self, call: Call, wanted: Wanted, page: Page) -> None:
        self._call = call
        self._services = call.services
        self._wanted = wanted
        self._told = -1
        self._frame = b"retry: %d\n\n" % RETRY_MILLISECONDS + self._take(page, encode(page))
        self._spoke = self._checked = monotonic()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The body, piece by piece."""
        followers, merchant_id = self._services.followers, self._wanted.merchant_id
        # The key may not read any more, or others have taken the last place just now.
        with suppress(ApiError), followers.one(merchant_id), while_connected(self._call.request):
            while True:
                if self._frame:
                    yield self._frame
                    self._frame, self._spoke = b"", monotonic()
                if not await self._goes_on():
                    return

    async def _goes_on(self) -> bool:
        """Have the next frame, which may be empty; False at a stop, and when the history is another one."""
        epoch = self._page.head.epoch
        self._frame = await self._next_events() or self._heartbeat()
        is_restored = self._page.head.epoch != epoch or self._page.reached > self._page.head.position
        return not is_restored and not self._services.stopping.is_set()

    async def _next_events(self) -> bytes:
        """The next events that are wanted; nothing, if others came, or none for long. Raises ApiError."""
        page, events = self._page, b""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._services.heartbeat_seconds - (monotonic() - self._spoke)):
                page, events = await self._next_page()
        await self._check()
        return self._take(page, events)

    def _take(self, page: Page, events: bytes) -> bytes:
        """Stand at the end of this page, whose events these are, and keep nothing else of it."""
        if page.items:
            self._told = page.items[-1].position
        self._page = page._replace(items=[])
        return events

    def _heartbeat(self) -> bytes:
        """A comment, if it is time for one; and an id, if events that are not wanted have moved it on."""
        if monotonic() - self._spoke < self._services.heartbeat_seconds:
            return b""
        moved = self._page.reached != self._told
        self._told = self._page.reached
        return b"id: %d\n\n" % self._told if moved else b":\n\n"

    async def _next_page(self) -> tuple[Page, bytes]:
        while True:
            try:
                return await self._services.followers.next_encoded(self._wanted, self._page, encode)
            except StoreError as error:
                log.warning("stream_waits", request_id=self._call.request_id, reason=str(error))
                await asyncio.sleep(PAUSE_SECONDS)

    async def _check(self) -> None:
        """See now and then whether the key may read still. Raises ApiError: it may not."""
        if monotonic() - self._checked < CHECK_SECONDS:
            return
        try:
            caller = await caller_of(self._services, self._call.request)
        except StoreError:  # then there is nothing to read, either
            return
        caller.require("read")
        self._checked = monotonic()
