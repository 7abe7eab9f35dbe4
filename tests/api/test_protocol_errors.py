"""Requests that are hardly HTTP: answered in the contract's form, and never logged with their content."""

from __future__ import annotations

import pytest

from service.errors import MAX_HEADERS, MAX_LINE_BYTES
from tests.support.api import Client, RunningApi
from tests.support.raw_http import connection, message, send

pytestmark = pytest.mark.asyncio(loop_scope="session")

CANARY = "canary-5e81"


async def test_the_helper_gets_answers(client: Client) -> None:
    answer = await send(client.url, message(client.key))
    assert answer.status == 200


async def test_the_limits_of_the_head_are_those_that_refusals_name(client: Client) -> None:
    path = f"/v1/customers/{'x' * (MAX_LINE_BYTES - len('/v1/customers/'))}"
    assert (await send(client.url, message(client.key, start=f"GET {path} HTTP/1.1"))).status == 404
    answer = await send(client.url, message(client.key, start=f"GET {path}x HTTP/1.1"))
    assert answer.refusal() == (414, "uri_too_long")
    for lines in ([f"X: {'x' * MAX_LINE_BYTES}"], [f"X-{n}: x" for n in range(MAX_HEADERS - 2)]):
        assert (await send(client.url, message(client.key, *lines))).status == 200
    for lines in ([f"X: {'x' * (MAX_LINE_BYTES + 1)}"], [f"X-{n}: x" for n in range(MAX_HEADERS - 1)]):
        answer = await send(client.url, message(client.key, *lines))
        assert answer.refusal() == (431, "headers_too_large")


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
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: a\r\n b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: a\rX-B: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a.example.com\r\nHost: b.example.com\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        bytes(range(256)),
        b"A" * 100_000,
    ],
)
async def test_what_is_no_http_is_a_documented_400_and_the_end(client: Client, data: bytes) -> None:
    async with connection(client.url) as made:
        made.send(data)
        answer = await made.answer()
        assert answer.refusal() == (400, "invalid_request")
        assert answer.headers["connection"] == "close"
        assert await made.rest() == b""


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (["Content-Length: -1"], b""),
        (["Content-Length: +2"], b"{}"),
        (["Content-Length: 2, 2"], b"{}"),
        (["Content-Length: 2", "Content-Length: 2"], b"{}"),
        (["Content-Length: 2", "Content-Length: 3"], b"{}"),
        (["Content-Length: 4", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        (["Transfer-Encoding: chunked", "Content-Length: 4"], b"0\r\n\r\n"),
        (["Transfer-Encoding : chunked"], b"0\r\n\r\n"),
        (["Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
        (["Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], b"0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"zz\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"-2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"0x2\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"1\r\n{}\r\n0\r\n\r\n"),
    ],
)
async def test_a_body_whose_end_can_be_read_in_two_ways_is_400_and_the_end(
    api: RunningApi, lines: list[str], body: bytes
) -> None:
    before = await api.stored()
    hidden = message(api.client.key, "Connection: close", start="DELETE /v1/customers/cus_1 HTTP/1.1")
    lines = ["Content-Type: application/json", *lines]
    async with connection(api.url) as made:
        made.send(message(api.client.key, *lines, body=body + hidden, start="POST /v1/customers HTTP/1.1"))
        assert await made.statuses() == [400]
    assert await api.stored() == before


async def test_a_refusal_says_what_is_no_http_in_the_parsers_words(client: Client) -> None:
    lines = ("Content-Length: 4", "Transfer-Encoding: chunked")
    answer = await send(client.url, message(client.key, *lines, start="POST /v1/customers HTTP/1.1"))
    assert b"as this service reads it: " in answer.body
    assert b"Transfer-Encoding" in answer.body


@pytest.mark.parametrize("method", ["PUT", "PROPFIND", "OPTIONS", "TRACE", "QUERY"])
async def test_a_method_of_http_that_a_path_does_not_take_is_405(client: Client, method: str) -> None:
    answer = await send(client.url, message(client.key, start=f"{method} /v1/customers HTTP/1.1"))
    assert answer.refusal() == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_what_follows_an_unreadable_request_is_not_read(client: Client) -> None:
    async with connection(client.url) as made:
        made.send(message(client.key))
        assert (await made.answer()).status == 200
        made.send(b"nonsense\r\n\r\n" + message(client.key))
        assert await made.statuses() == [400]


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
