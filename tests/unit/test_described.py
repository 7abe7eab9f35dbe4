"""The check that every answer in the tests of the API passes fails for what is not described."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from service.openapi.examples import JOHN, JOHN_WITH_STATS, TOMBSTONE
from tests.support.described import check_answer

ONE = f"/v1/customers/{JOHN['id']}"
HEADERS = {
    "Content-Type": "application/json",
    "X-Request-Id": "req_0123456789abcdef01234567",
    "Cache-Control": "private, no-cache",
    "ETag": '"1"',
}


def check(body: Any, *, method: str = "GET", status: int = 200, **headers: Any) -> None:
    """Check an answer to a request for one customer."""
    given: dict[str, str | None] = HEADERS | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    sent = {name: value for name, value in given.items() if value is not None}
    check_answer(method, ONE + "?expand=stats", status, sent, body if body == b"" else orjson.dumps(body))


@pytest.mark.parametrize("body", [JOHN, JOHN_WITH_STATS, TOMBSTONE])
def test_a_described_answer_passes(body: Any) -> None:
    check(body)


@pytest.mark.parametrize(
    "body",
    [
        JOHN | {"nickname": "Johnny"},
        JOHN | {"created": "1706554800"},
        JOHN | {"address": {"city": "Paris"}},
        {name: value for name, value in JOHN.items() if name != "phone"},
        JOHN_WITH_STATS | {"totalSpent": "1"},
        TOMBSTONE | {"deleted": False},
        b"",
    ],
)
def test_a_body_that_is_not_described_fails(body: Any) -> None:
    with pytest.raises(AssertionError, match="200"):
        check(body)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"ETag": None}, "ETag"),
        ({"X_Request_Id": None}, "X-Request-Id"),
        ({"Retry_After": "1"}, "Retry-After"),
        ({"Content_Type": "text/plain"}, ONE),
    ],
)
def test_headers_that_are_not_described_fail(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(AssertionError, match=named):
        check(JOHN, **changed)


def test_a_status_that_is_not_described_fails() -> None:
    with pytest.raises(AssertionError, match="418 is not described"):
        check(JOHN, status=418)


@pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (409, "customer_not_found")])
def test_a_code_that_the_operation_does_not_have_fails(status: int, code: str) -> None:
    error = {
        "statusCode": status,
        "message": "No such customer",
        "error": "Not Found",
        "code": code,
        "requestId": HEADERS["X-Request-Id"],
    }
    with pytest.raises(AssertionError, match=str(status)):
        check(error, status=status, ETag=None)


def test_an_answer_to_head_has_headers_only() -> None:
    check(b"", method="HEAD")
    with pytest.raises(AssertionError, match="ETag"):
        check(b"", method="HEAD", ETag=None)
