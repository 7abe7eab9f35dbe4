"""The edge: what every request and answer passes.

In: aiohttp's request. Out: an answer in the contract's form, whatever happened: with a request id, without
caches, with what is left of the key's rate limit, and with every failure below turned into one of the
documented errors. A bug is logged by its place and type; messages of exceptions may hold personal values and
are not.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from events.errors import CustomerDeleted, StoreBusy, StoreError, StoreUnavailable
from service.api_error import ApiError, error_body, phrase
from service.call import Call
from service.caller import caller_of
from service.clock import new_request_id
from service.errors import (
    BodyTooLarge,
    CustomerNotFound,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    RateLimited,
    RequestTimeout,
    StoreUnavailableError,
)
from service.http.rate_limit import Bucket
from service.operation import Operation
from service.parameters import parse_query
from service.responses import CONTENT_TYPE
from service.services import SERVICES, Services

log = structlog.get_logger(__name__)

REQUEST_ID = web.RequestKey("request_id", str)
BUCKET = web.RequestKey("bucket", Bucket)
"""That of the request's key, if it has a limit."""


@web.middleware
async def edge(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn whatever happens into an answer."""
    request_id = request[REQUEST_ID] = new_request_id()
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001  # the border: nothing passes it unnamed
        response = refusal(named(error, request, request_id), request_id)
    headers = response.headers
    headers["X-Request-Id"] = request_id
    if request.path.startswith("/v1"):
        headers["Cache-Control"] = "private, no-cache"
    bucket = request.get(BUCKET)
    if bucket is not None:
        headers["RateLimit-Policy"] = bucket.policy
        limited = response.status == RateLimited.status
        headers["RateLimit"] = bucket.state(headers["Retry-After"] if limited else "1")
    services = request.app.get(SERVICES)
    if services is not None and services.stopping.is_set():
        response.force_close()  # who keeps the connection should go elsewhere
    return response


def endpoint(
    services: Services, operation: Operation[Any]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """An aiohttp handler that lets callers with the operation's scope in, and reads its parameters."""

    async def handle(request: web.Request) -> web.StreamResponse:
        with services.under_way.one():
            caller = await caller_of(services, request)
            bucket = services.rate_limits.bucket(caller.key_id, caller.rate_limit)
            if bucket is not None:
                request[BUCKET] = bucket
                bucket.spend(1)
            caller.require(operation.scope)
            call = Call(request, request[REQUEST_ID], services, caller, operation.body, bucket)
            return await operation.handler(call, parse_query(operation.parameters, call.query))

    return handle


def named(error: Exception, request: web.Request, request_id: str) -> ApiError:
    """The documented error for whatever was raised."""
    if isinstance(error, ApiError) and not isinstance(error, InternalError):
        return error
    if isinstance(error, web.HTTPException):
        return _of_aiohttp(error, request)
    if isinstance(error, CustomerDeleted):
        return CustomerNotFound()
    if isinstance(error, StoreBusy):
        return Overloaded()
    if isinstance(error, StoreUnavailable):
        log.warning("store_unavailable", request_id=request_id, reason=str(error))
        return StoreUnavailableError()
    log.error(
        "unexpected_error",
        request_id=request_id,
        error=type(error).__name__,
        reason=str(error) if isinstance(error, StoreError) else None,
        where=[f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)],
    )
    return InternalError()


def _of_aiohttp(error: web.HTTPException, request: web.Request) -> ApiError:
    """aiohttp's own refusals: no such route, no such method, a body over the limit."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(request.method, error.allowed_methods)
    if isinstance(error, web.HTTPNotFound):
        return NotFound()
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return BodyTooLarge(request.client_max_size)
    return InvalidRequest("The request cannot be understood")


def refusal(error: ApiError, request_id: str) -> web.Response:
    """The answer that an error of the contract is."""
    headers = {"Content-Type": CONTENT_TYPE, "X-Request-Id": request_id, **error.headers}
    body = error_body(error, request_id)
    response = web.Response(body=body, status=error.status, reason=phrase(error.status), headers=headers)
    if error.status == RequestTimeout.status:
        response.force_close()  # what still comes belongs to the request that was given up (RFC 9110 §15.5.9)
    return response
