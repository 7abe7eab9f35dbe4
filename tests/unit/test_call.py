"""What handlers read of a request: its body, its headers, its idempotency key, and what is recorded of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from aiohttp import streams
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from events.master_keys import MasterKeys
from service.auth import Caller
from service.body import JSON, MERGE_PATCH, Body
from service.call import Call
from service.errors import (
    ApiError,
    BodyTooLarge,
    InvalidJson,
    InvalidRequest,
    RateLimited,
    UnsupportedMediaType,
)
from service.http.rate_limit import Bucket
from service.idempotency import Digests
from service.services import Services
from tests.support.cases import MERCHANT

CALLER = Caller("key_1", MERCHANT, active=True, scopes=frozenset({"write"}), networks=())
BODY_LIMIT = 1000  # bytes
BODY = b'{"name":"J"}'
DIGESTS = Digests(MasterKeys.from_text(MasterKeys.generate_text()))
SERVICES = cast("Services", SimpleNamespace(digests=DIGESTS))  # reading a request needs no others


def call(
    body: bytes = b"",
    method: str = "POST",
    path: str = "/v1/customers",
    *headers: tuple[str, str],
    **header: str,
) -> Call:
    """A request that has arrived; `content_type="…"` gives the header of that name."""
    given = CIMultiDict([*headers, *((name.replace("_", "-"), text) for name, text in header.items())])
    loop = asyncio.get_running_loop()
    payload = streams.StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    payload.feed_data(body)
    payload.feed_eof()
    request = make_mocked_request(method, path, given, payload=payload)
    types = (JSON, MERGE_PATCH) if method == "PATCH" else (JSON,)
    return Call(request, "req_1", SERVICES, CALLER, Body(None, types, BODY_LIMIT))


@pytest.mark.parametrize(
    "given",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
    ],
)
async def test_a_body_of_the_right_type_is_an_object(given: str) -> None:
    assert await call(BODY, content_type=given).json() == {"name": "J"}


@pytest.mark.parametrize("given", ["text/plain", "application/merge-patch+json", "application/xml", "json"])
async def test_a_body_of_another_type_is_refused(given: str) -> None:
    with pytest.raises(UnsupportedMediaType) as refused:
        await call(BODY, content_type=given).json()
    assert refused.value.message == "Send the body as application/json"
    assert refused.value.headers == {}


async def test_a_body_without_a_type_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        await call(BODY).json()


async def test_a_patch_of_another_type_is_told_which_are_taken() -> None:
    with pytest.raises(UnsupportedMediaType) as refused:
        await call(BODY, "PATCH", content_type="text/plain").json()
    assert refused.value.headers == {"Accept-Patch": "application/json, application/merge-patch+json"}
    assert refused.value.message == "Send the body as application/json or application/merge-patch+json"


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity"])
async def test_a_body_with_a_content_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await call(BODY, content_type=JSON, content_encoding=encoding).json()


@pytest.mark.parametrize(
    ("body", "error"), [(b"", InvalidJson), (b"{", InvalidJson), (b"[]", InvalidRequest)]
)
async def test_a_body_that_is_no_object_is_refused(body: bytes, error: type[ApiError]) -> None:
    with pytest.raises(error):
        await call(body, content_type=JSON).json()


async def test_a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_not() -> None:
    assert len(await call(b"x" * BODY_LIMIT).body()) == BODY_LIMIT
    with pytest.raises(BodyTooLarge):
        await call(b"x" * (BODY_LIMIT + 1)).body()


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read() -> None:
    announced = call(b"", content_length=str(BODY_LIMIT + 1))
    with pytest.raises(BodyTooLarge):
        await announced.body()


async def test_the_merchant_is_the_keys_whatever_the_request_says() -> None:
    asked = call(b"", "GET", "/v1/customers?merchantId=mer_2", x_merchant_id="mer_2")
    assert asked.merchant_id == MERCHANT


async def test_the_query_is_decoded_and_keeps_repeated_names() -> None:
    assert call(path="/v1/customers?a=1&a=%C3%A9+x&b=").query == [("a", "1"), ("a", "é x"), ("b", "")]
    assert call().query == []


async def test_a_header_that_stands_twice_is_refused_where_one_is_meant() -> None:
    twice = call(b"", "POST", "/", ("Idempotency-Key", "a"), ("idempotency-key", "a"))
    with pytest.raises(InvalidRequest) as refused:
        twice.one_header("Idempotency-Key")
    assert refused.value.param == "Idempotency-Key"
    assert call(idempotency_key="a").one_header("Idempotency-Key") == "a"
    assert call().one_header("Idempotency-Key") is None


async def test_the_lines_of_a_list_header_are_joined() -> None:
    asked = call(b"", "PATCH", "/", ("If-Match", '"1"'), ("If-Match", '"2"'))
    assert asked.list_header("If-Match") == '"1", "2"'
    assert call().list_header("If-Match") is None


async def test_a_retry_is_the_keys_digest_and_the_same_for_the_same_request() -> None:
    body = {"name": "J"}
    retry = call(idempotency_key="k").retry(body)
    assert retry is not None
    assert retry.key == DIGESTS.of_key("k")
    assert call(idempotency_key='"k"').retry(body) == retry
    assert call().retry(body) is None


@pytest.mark.parametrize(
    "other",
    [{"method": "PATCH"}, {"path": "/v1/customers/cus_1"}, {"path": "/v1/customers?a=1"}],
)
async def test_another_request_with_the_same_key_has_another_fingerprint(other: dict[str, Any]) -> None:
    first, second = call(idempotency_key="k").retry({}), call(**other, idempotency_key="k").retry({})
    assert first is not None
    assert second is not None
    assert first.key == second.key
    assert first.fingerprint != second.fingerprint


def recorded(made: Call) -> dict[str, Any]:
    told: dict[str, Any] = orjson.loads(made.metadata(None))
    return told


async def test_an_event_is_recorded_with_who_and_which_request_and_a_command_id_of_its_own() -> None:
    made = call()
    one, other = recorded(made), recorded(made)
    assert list(one) == ["actor", "requestId", "commandId"]
    assert (one["actor"], one["requestId"]) == ("key_1", "req_1")
    assert one["commandId"] != other["commandId"]


async def test_tracing_headers_are_recorded_when_they_are_well_formed() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    told = recorded(call(x_correlation_id="order_7.a-b", traceparent=trace))
    assert (told["correlationId"], told["traceparent"]) == ("order_7.a-b", trace)


@pytest.mark.parametrize(
    ("correlation_id", "traceparent"),
    [("jane doe", "00-zz"), ("x" * 65, ""), ("a@example.com", "00-4BF9"), ("", "x")],
)
async def test_tracing_headers_that_are_not_are_left_out(correlation_id: str, traceparent: str) -> None:
    told = recorded(call(x_correlation_id=correlation_id, traceparent=traceparent))
    assert list(told) == ["actor", "requestId", "commandId"]


async def test_of_an_idempotency_key_only_the_beginning_of_its_digest_is_recorded() -> None:
    made = call(idempotency_key="order-of-jane@example.org")
    told = made.metadata(made.retry({}))
    assert b"jane" not in told
    assert orjson.loads(told)["idempotencyKeyHash"] == DIGESTS.of_key("order-of-jane@example.org").hex()[:16]


async def test_of_a_request_nothing_of_its_body_is_recorded() -> None:
    assert b"Jane" not in call(b'{"name":"Jane"}', content_type=JSON).metadata(None)


async def test_a_request_can_be_counted_as_more_than_one() -> None:
    bucket = Bucket(500, lambda: 1000.0)
    batch = Call(call().request, "req_1", SERVICES, CALLER, None, bucket)
    batch.spend(99)
    assert bucket.state("1") == '"default";r=901;t=1'
    with pytest.raises(RateLimited):
        batch.spend(902)


async def test_without_a_limit_any_number_can_be_spent() -> None:
    call().spend(10**9)
