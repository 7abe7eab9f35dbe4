"""The edge: every failure becomes one documented error, and no failure's text reaches log or client.

A real application with the edge before handlers that raise, behind a real socket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

import events.errors
from events.errors import (
    CheckpointUnreadable,
    CustomerDeleted,
    DataKeyMissing,
    DataRefused,
    EventUnreadable,
    LedgerBroken,
    LedgerUnknown,
    MasterKeyMismatch,
    MigrationError,
    SchemaMissing,
    SealBroken,
    StoreBusy,
    StoreUnavailable,
)
from service import errors
from service.edge import edge
from service.errors import ApiError

CANARY = "canary-jane.doe@example.org"
BODY_LIMIT = 100  # bytes
REQUEST_ID = re.compile(r"req_[0-9a-f]{24}")

FROM_BELOW: dict[type[Exception], tuple[int, str]] = {
    SchemaMissing: (503, "store_unavailable"),
    StoreBusy: (503, "overloaded"),
    DataRefused: (500, "internal_error"),
    MasterKeyMismatch: (500, "internal_error"),
    DataKeyMissing: (500, "internal_error"),
    EventUnreadable: (500, "internal_error"),
    SealBroken: (500, "internal_error"),
    LedgerBroken: (500, "internal_error"),
    LedgerUnknown: (500, "internal_error"),
    CheckpointUnreadable: (500, "internal_error"),
    MigrationError: (500, "internal_error"),
    CustomerDeleted: (404, "customer_not_found"),
}
"""How each error below HTTP is answered when nobody has dealt with it before."""

REFUSALS: list[ApiError] = [
    errors.InvalidJson("…"),
    errors.InvalidRequest("…", param="email"),
    errors.UnknownParameter("limt"),
    errors.InvalidCursor("startingAfter"),
    errors.CustomerTooLarge(2, 1, "metadata", 1),
    errors.Unauthorized(),
    errors.MerchantInactive(),
    errors.Forbidden("write"),
    errors.CustomerNotFound(),
    errors.NotFound(),
    errors.MethodNotAllowed("PUT", ["GET"]),
    errors.RequestTimeout("body", 30),
    errors.DuplicateEmail("a@example.com"),
    errors.IdempotencyKeyInUse(),
    errors.CustomerErased(),
    errors.VersionMismatch(),
    errors.BodyTooLarge(1),
    errors.UriTooLong(),
    errors.UnsupportedMediaType("…"),
    errors.IdempotencyKeyReused(),
    errors.RateLimited(3),
    errors.HeadersTooLarge(),
    errors.InternalError(),
    errors.Overloaded(),
    errors.StoreUnavailableError(),
    errors.ProjectionLagging(),
]


class Answer(NamedTuple):
    status: int
    headers: Any
    body: Any
    log: list[Any]


def leaves(top: type[Exception], module: str) -> Iterator[type[Exception]]:
    """The classes below this one, of one module, that have none below themselves."""
    for child in top.__subclasses__():
        if child.__module__ == module and not child.__subclasses__():
            yield child
        yield from leaves(child, module)


async def answer_to(
    error: BaseException | None, method: str = "GET", path: str = "/v1/x", **sent: Any
) -> Answer:
    """What a client gets whose handler raises this, and what was logged."""

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        if error is not None:
            raise error
        return web.Response(text="fine")

    app = web.Application(middlewares=[edge], client_max_size=BODY_LIMIT)
    for known in ("/v1/x", "/elsewhere"):
        app.router.add_get(known, handle)
        app.router.add_post(known, handle)
    async with TestClient(TestServer(app)) as client:
        with capture_logs() as log:
            async with client.request(method, path, **sent) as response:
                text = await response.read()
        body = orjson.loads(text) if response.content_type == "application/json" else text
        return Answer(response.status, response.headers, body, log)


def test_the_table_has_a_row_for_every_error_below_http() -> None:
    no_business_of_http = set(leaves(events.errors.BrokerError, events.errors.__name__))
    assert set(leaves(Exception, events.errors.__name__)) - no_business_of_http == set(FROM_BELOW)


def test_the_list_of_refusals_has_every_leaf_of_the_tree() -> None:
    assert {type(error) for error in REFUSALS} == set(leaves(ApiError, errors.__name__))


@pytest.mark.parametrize("below", FROM_BELOW, ids=lambda below: below.__name__)
async def test_an_error_from_below_is_answered_as_the_table_says(below: type[Exception]) -> None:
    answer = await answer_to(below("one plain line"))
    assert (answer.status, answer.body["code"]) == FROM_BELOW[below]
    assert answer.body["statusCode"] == answer.status
    assert "one plain line" not in answer.body["message"]
    assert answer.headers.get("Retry-After") == ("1" if answer.status == 503 else None)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: type(refusal).__name__)
async def test_a_refusal_reaches_the_client_as_it_is(refusal: ApiError) -> None:
    answer = await answer_to(refusal)
    assert (answer.status, answer.body["code"]) == (refusal.status, refusal.code)
    assert answer.body["message"] == refusal.message
    assert refusal.headers.items() <= dict(answer.headers).items()
    assert REQUEST_ID.fullmatch(answer.body["requestId"])
    assert answer.headers["X-Request-Id"] == answer.body["requestId"]
    assert [entry["event"] for entry in answer.log] == (
        ["unexpected_error"] if isinstance(refusal, errors.InternalError) else []
    )


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(CANARY),
        ValueError(CANARY),
        KeyError(CANARY),
        TimeoutError(CANARY),
        OSError(CANARY),
        MigrationError(CANARY),
        ExceptionGroup(CANARY, [ValueError(CANARY)]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_the_text_of_an_unexpected_exception_reaches_neither_log_nor_client(
    error: Exception, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await answer_to(error)
    assert (answer.status, answer.body["code"]) == (500, "internal_error")
    said = "".join(capfd.readouterr())
    for place in (str(answer.body), str(answer.headers), str(answer.log), caplog.text, said):
        assert CANARY not in place


async def test_an_unexpected_exception_is_logged_by_type_and_place_with_the_clients_request_id() -> None:
    answer = await answer_to(RuntimeError(CANARY))
    (entry,) = answer.log
    assert (entry["event"], entry["log_level"], entry["error"]) == (
        "unexpected_error",
        "error",
        "RuntimeError",
    )
    assert entry["request_id"] == answer.body["requestId"] == answer.headers["X-Request-Id"]
    assert any("test_edge_errors.py:" in place for place in entry["where"])


async def test_an_exception_raised_from_another_hides_the_others_text_too() -> None:
    error = RuntimeError("outside")
    error.__cause__ = ValueError(CANARY)
    answer = await answer_to(error)
    assert CANARY not in str(answer.body) + str(answer.log)


async def test_a_store_that_cannot_be_reached_is_logged_with_its_reason_and_the_request_id() -> None:
    answer = await answer_to(StoreUnavailable("append: no answer in time"))
    (entry,) = answer.log
    assert (entry["event"], entry["reason"]) == ("store_unavailable", "append: no answer in time")
    assert entry["request_id"] == answer.body["requestId"]


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("GET", "/v1/y", {}, 404, "not_found"),
        ("PUT", "/v1/x", {}, 405, "method_not_allowed"),
        ("POST", "/v1/x", {"data": b"x" * (BODY_LIMIT + 1)}, 413, "body_too_large"),
    ],
)
async def test_aiohttps_own_refusals_have_the_contracts_form(
    method: str, path: str, sent: dict[str, Any], status: int, code: str
) -> None:
    answer = await answer_to(None, method, path, **sent)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.headers["X-Request-Id"] == answer.body["requestId"]


async def test_a_method_that_is_not_allowed_is_answered_with_those_that_are() -> None:
    assert (await answer_to(None, "PUT")).headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("error", [None, errors.CustomerNotFound(), RuntimeError()])
@pytest.mark.parametrize(("path", "expected"), [("/v1/x", "private, no-cache"), ("/elsewhere", None)])
async def test_whatever_happens_under_v1_no_cache_keeps_it(
    error: Exception | None, path: str, expected: str | None
) -> None:
    answer = await answer_to(error, path=path)
    assert answer.headers.get("Cache-Control") == expected
    assert REQUEST_ID.fullmatch(answer.headers["X-Request-Id"])


async def test_every_request_has_an_id_of_its_own_whatever_the_client_sends() -> None:
    given = {"X-Request-Id": "req_" + "0" * 24}
    ids = {(await answer_to(None, headers=given)).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids | set(given.values())) == 4
