"""Requests that are hardly HTTP: what aiohttp's parser refuses, answered in the contract's form.

In: a parser's complaint. Out: 414, 431 or 400 with a request id, on a connection that is closed afterwards.
aiohttp would answer plain text, and log the client's own bytes, which may be a key or an email.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from service.api_error import ApiError
from service.clock import new_request_id
from service.edge import refusal
from service.errors import HeadersTooLarge, InternalError, InvalidRequest, UriTooLong

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


class ContractProtocol(RequestHandler):
    """One connection."""

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
        response = _refusal(error)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; what aiohttp says to `Expect` where there is no route gets the contract's form."""
        if resp.status == 417:
            resp = _refusal(UNEXPECTED)
        return await super().finish_response(request, resp, start_time)


class ContractServer(web.Server):
    """Makes the connections."""

    def __call__(self) -> RequestHandler:
        """A connection's protocol."""
        return ContractProtocol(self, loop=self._loop, **self._kwargs)


class ContractRunner(web.AppRunner):
    """Runs an application behind such connections. Bodies arrive as sent, never inflated."""

    def __init__(self, app: web.Application, *, shutdown_timeout: float) -> None:
        super().__init__(app, access_log=None, auto_decompress=False, shutdown_timeout=shutdown_timeout)

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = ContractServer  # aiohttp offers no place to name the protocol's class
        return server


def _named(status: int, exc: BaseException | None, message: str) -> ApiError:
    if isinstance(exc, LineTooLong):
        # The parser hands over its own buffer for the request line, and a shortened copy for a header.
        return UriTooLong() if isinstance(exc.args[0], bytearray) else HeadersTooLarge()
    if message.startswith("Too many headers"):
        return HeadersTooLarge()
    if status < 500:
        return InvalidRequest("The request is not HTTP/1.1 as this service reads it")
    return InternalError()
