"""Requests that are hardly HTTP: answered in the contract's form, and never logged with their content."""

from __future__ import annotations

import pytest

from tests.support.api import Client, RunningApi
from tests.support.raw_http import connection, message, send

pytestmark = pytest.mark.asyncio(loop_scope="session")

CANARY = "canary-5e81"


async def test_the_helper_gets_answers(client: Client) -> None:
    answer = await send(client.url, message(client.key))
    assert answer.status == 200


async def test_a_path_that_is_too_long_is_414(client: Client) -> None:
    start = f"GET /v1/customers/{'x' * 100_000} HTTP/1.1"
    assert (await send(client.url, message(client.key, start=start))).refusal() == (414, "uri_too_long")


@pytest.mark.parametrize(
    "lines",
    [[f"X-Long: {'x' * 100_000}"], [f"{'X' * 100_000}: x"], [f"X-{n}: {'x' * 100}" for n in range(2000)]],
    ids=["value", "name", "many"],
)
async def test_headers_that_are_too_large_are_431(client: Client, lines: list[str]) -> None:
    assert (await send(client.url, message(client.key, *lines))).refusal() == (431, "headers_too_large")


@pytest.mark.parametrize(
    "data",
    [
        b"BREW /v1/customers HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no TLS here \r\n\r\n",
        b"GET /v1/customers HTTP/9.9\r\n\r\n",
        b"GET /v1/cust omers HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/customers HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        b"GET /v1/customers HTTP/1.1\r\nHost: localhost\r\nX-A: \x00\r\n\r\n",
        b"POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    ],
)
async def test_what_is_no_http_is_a_documented_400(client: Client, data: bytes) -> None:
    assert (await send(client.url, data)).refusal() == (400, "invalid_request")


async def test_a_body_with_two_lengths_stores_nothing(api: RunningApi) -> None:
    before = await api.stored()
    body = b'0\r\n\r\n{"email": "john@example.com", "name": "John Doe"}'
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked", f"Content-Length: {len(body)}")
    data = message(api.client.key, *lines, body=body, start="POST /v1/customers HTTP/1.1")
    assert (await send(api.url, data)).refusal() == (400, "invalid_request")
    assert await api.stored() == before


async def test_a_broken_chunk_stores_nothing(api: RunningApi) -> None:
    before = await api.stored()
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    data = message(api.client.key, *lines, body=b'5\r\n{"ema\r\nzz\r\n', start="POST /v1/customers HTTP/1.1")
    assert (await send(api.url, data)).refusal()[0] == 400
    assert await api.stored() == before


async def test_an_unknown_expectation_is_a_documented_refusal(client: Client) -> None:
    lines = ("Expect: the-spanish-inquisition", "Content-Length: 0")
    answer = await send(client.url, message(client.key, *lines, start="POST /v1/customers HTTP/1.1"))
    assert answer.refusal()[0] == 400


@pytest.mark.parametrize(
    "data",
    [
        f"GET /v1/customers?email={CANARY} HTTP/9.9\r\n\r\n",
        f"{CANARY} / HTTP/1.1\r\n\r\n",
        f"GET /v1/customers HTTP/1.1\r\nX-API-Key {CANARY}\r\n\r\n",
        f"GET /v1/customers HTTP/1.1\r\nX-API-Key: {CANARY}\x00\r\n\r\n",
    ],
)
async def test_nothing_of_a_malformed_request_is_logged_or_repeated(
    client: Client, data: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await send(client.url, data.encode())
    assert CANARY.encode() not in answer.body
    assert CANARY not in caplog.text


async def test_a_connection_serves_pipelined_requests_in_order(client: Client) -> None:
    async with connection(client.url) as made:
        made.send(message(client.key, start="GET /v1/nothing HTTP/1.1"))
        made.send(message(client.key, "Connection: close"))
        assert await made.statuses() == [404, 200]


@pytest.mark.parametrize(
    "start", ["GET /healthz HTTP/1.1", "GET /nope HTTP/1.1", "PUT /v1/customers HTTP/1.1"]
)
async def test_expecting_something_odd_has_the_contracts_answer_where_no_route_is_too(
    client: Client, start: str
) -> None:
    answer = await send(client.url, message(client.key, "Expect: the-spanish-inquisition", start=start))
    assert answer.refusal() == (400, "invalid_request")
    assert b'"requestId":"req_' in answer.body
