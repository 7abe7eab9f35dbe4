"""Connections: requests that are hardly HTTP, heads that never end, answers that nobody takes.

In: a parser's complaint, or a deadline. Out: 414, 431, 408 or 400 with a request id, on a connection that is
closed afterwards. aiohttp would answer plain text, and log the client's own bytes, which may be a key or an
email; and it would wait for ever.
"""

from __future__ import annotations

import asyncio
from heapq import nsmallest
from typing import Any, NamedTuple, cast

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from service.api_error import ApiError
from service.clock import new_request_id
from service.edge import refusal
from service.errors import (
    MAX_HEADERS,
    MAX_LINE_BYTES,
    HeadersTooLarge,
    InternalError,
    InvalidRequest,
    RequestTimeout,
    UriTooLong,
)
from service.http.hanging_up import Waited

LINGERING_SECONDS = 10.0
BAD_START = "Bad status line:\n  "
UNEXPECTED = InvalidRequest("Expect may only be 100-continue", param="Expect")


async def expect(request: web.Request) -> web.StreamResponse | None:
    """Answer `Expect: 100-continue` (RFC 9110 §10.1.1); refuse to guess what anything else wants."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        return _refusal(UNEXPECTED)
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer itself has not begun
    return None


def _refusal(error: ApiError) -> web.Response:
    """An answer that does not pass the edge, in the form that it would have there."""
    response = refusal(error, new_request_id())
    response.headers["Cache-Control"] = "private, no-cache"
    return response


class Limits(NamedTuple):
    """What a connection may take, in seconds, and how many there may be."""

    header_seconds: float
    body_seconds: float
    idle_seconds: float
    connections: int


class ContractProtocol(RequestHandler):
    """One connection."""

    __slots__ = ("_late", "_limits", "_payload", "_unreadable", "_untaken", "waited")

    def __init__(self, limits: Limits, manager: web.Server, **options: Any) -> None:
        super().__init__(
            manager,
            keepalive_timeout=limits.idle_seconds,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADERS,
            # What a refused request still sends is read for so long: cut off, its client may miss the answer.
            lingering_time=min(limits.body_seconds, LINGERING_SECONDS),
            **options,
        )
        self._limits = limits
        self._payload: StreamReader = EMPTY_PAYLOAD  # of the last request that came
        self._unreadable = False
        self._late: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None
        self.waited = Waited()

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request."""
        return self._waiter is not None and not self._waiter.done()

    @property
    def idle_until(self) -> float:
        """When it would be closed for being idle, by the loop's clock: the sooner, the longer it is."""
        return self._next_keepalive_close_time

    def data_received(self, data: bytes) -> None:
        """Read on, for so long only if all that came is the beginning of a head."""
        if self._unreadable:
            return  # where the next request would begin is anybody's guess
        requests, between_requests = self._request_count, self._payload.is_eof()
        super().data_received(data)
        if self._request_count != requests:
            message, self._payload = self._messages[-1]
            self._unreadable = isinstance(message, _ErrInfo)
            if self._late is not None:
                self._late.cancel()
                self._late = None
        elif between_requests and self._late is None and data.strip(b"\r\n"):
            self._late = self._loop.call_later(self._limits.header_seconds, self._refuse_head)

    def _refuse_head(self) -> None:
        if self._waiter is None or self._waiter.done():  # the request before is being answered still
            self._late = self._loop.call_later(self._limits.header_seconds, self._refuse_head)
            return
        error = RequestTimeout("head", self._limits.header_seconds)
        self._messages.append((_ErrInfo(error.status, error, error.message), EMPTY_PAYLOAD))
        self._waiter.set_result(None)

    def pause_writing(self) -> None:
        """Answers pile up, because the client does not take them: let it, for so long."""
        super().pause_writing()
        if self.transport is not None:
            self._untaken = self._loop.call_later(self._limits.body_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """They do not any more."""
        super().resume_writing()
        if self._untaken is not None:
            self._untaken.cancel()

    async def start(self) -> None:
        """Serve the connection to its end; its last answers, too, may wait for so long only."""
        transport = self.transport
        try:
            await super().start()
        finally:
            if transport is not None and transport.get_write_buffer_size():
                self._loop.call_later(self._limits.body_seconds, transport.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what there was to wait for."""
        super().connection_lost(exc)
        self.waited.hang_up()
        for timer in (self._late, self._untaken):
            if timer is not None:
                timer.cancel()
        self._payload = EMPTY_PAYLOAD

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what never became a request, or broke outside the application."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer had begun already")
        error = _named(status, exc, message or "")
        if exc is not None:
            exc.__traceback__ = None  # which holds what was sent, and itself, until the collector comes
        response = _refusal(error)
        response.force_close()
        response.headers["Connection"] = "close"  # aiohttp takes what it could not read for HTTP/1.0
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; what aiohttp says to `Expect` where there is no route gets the contract's form."""
        if resp.status == 417:
            resp = _refusal(UNEXPECTED)
        return await super().finish_response(request, resp, start_time)


class ContractServer(web.Server):
    """Makes the connections, and makes room for them."""

    limits: Limits
    _vacant = 0
    """Connections that were told to close, of which as many new ones take the places."""

    def __call__(self) -> RequestHandler:
        """A connection's protocol."""
        return ContractProtocol(self.limits, self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Take a connection in; it is closed at once if there is no room, and none to be made."""
        super().connection_made(handler, transport)
        if len(self._connections) <= self.limits.connections:
            self._vacant = 0
            return
        self._vacant = (self._vacant or self._close_longest_idle()) - 1
        if self._vacant < 0:
            self._vacant = 0
            handler.force_close()

    def _close_longest_idle(self) -> int:
        """Close some at a time, since finding them takes a look at all."""
        idle = [one for one in self._connections if isinstance(one, ContractProtocol) and one.is_idle]
        longest = nsmallest(1 + self.limits.connections // 100, idle, key=lambda one: one.idle_until)
        for connection in longest:
            connection.force_close()
        return len(longest)


class ContractRunner(web.AppRunner):
    """Runs an application behind such connections. Bodies arrive as sent, never inflated."""

    def __init__(self, app: web.Application, limits: Limits, *, shutdown_timeout: float) -> None:
        super().__init__(app, access_log=None, auto_decompress=False, shutdown_timeout=shutdown_timeout)
        self._limits = limits

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = ContractServer  # aiohttp offers no place to name the protocol's class
        cast("ContractServer", server).limits = self._limits
        return server


def _named(status: int, exc: BaseException | None, message: str) -> ApiError:
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, LineTooLong):
        # The parser hands over its own buffer for the request line, and a shortened copy for a header.
        return UriTooLong() if isinstance(exc.args[0], bytearray) else HeadersTooLarge()
    if message.startswith("Too many headers"):
        return HeadersTooLarge()
    if isinstance(exc, BadHttpMethod):
        return InvalidRequest(
            "The request's method is none that is known; see Allow of a 405 for those that are"
        )
    if status < 500:
        # The parser's own words, before what was sent; whatever else aiohttp says may repeat that.
        reason, end, _ = message.removeprefix(BAD_START).partition(":\n\n")
        why = f": {reason}" if end else ""
        return InvalidRequest(f"The request is not HTTP/1.1 as this service reads it{why}")
    return InternalError()
