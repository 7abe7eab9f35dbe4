"""Rate limits: how much a key may ask of a process, and what every answer says of it."""

from __future__ import annotations

import re
import time

import pytest

from service.http.rate_limit import DEFAULT_RATE, LEAST_BURST
from tests.support.api import READ_WRITE, Answer, Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW = 1
"""Requests a second: a bucket that a test can empty, and that stays empty for as long as it looks."""


async def limited(api: RunningApi, rate: int, scopes: frozenset[str] = READ_WRITE) -> Client:
    """A client of the test's merchant whose key has this limit."""
    _, text = await api.operator.key(api.merchant_id, scopes, rate_limit=rate)
    return api.client.having(text)


async def emptied(client: Client) -> tuple[int, Answer]:
    """How many requests were answered before the first refusal, and that."""
    for served in range(10 * LEAST_BURST):
        answer = await client.get("cus_1")
        if answer.status == 429:
            return served, answer
    raise AssertionError("the limit was never reached")


def remaining(answer: Answer) -> int:
    """What the answer says is left."""
    found = re.fullmatch(r'"default";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    assert found is not None
    return int(found[1])


async def test_more_than_the_burst_is_429_with_the_time_to_wait(api: RunningApi) -> None:
    client = await limited(api, SLOW)
    began = time.monotonic()
    served, answer = await emptied(client)
    assert LEAST_BURST <= served <= LEAST_BURST + 1 + (time.monotonic() - began) * SLOW
    assert answer.refusal() == (429, "rate_limited")
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["RateLimit"] == '"default";r=0;t=1'
    assert answer.headers["RateLimit-Policy"] == f'"default";q={LEAST_BURST};w=100'
    assert answer.json()["message"] == "Too many requests; retry after 1 s"


async def test_every_answer_says_what_is_left(api: RunningApi) -> None:
    client = await limited(api, DEFAULT_RATE)
    customer = await client.created()
    for answer in (
        await client.get(customer["id"]),
        await client.page(),
        await client.get("cus_1"),
        await client.request("POST", "/v1/customers", content=b"{"),
        await client.page(limit=0),
    ):
        assert answer.headers["RateLimit-Policy"] == '"default";q=1000;w=2'
        assert 0 < remaining(answer) < 1000


async def test_a_refusal_for_lack_of_a_scope_counts_too(api: RunningApi) -> None:
    client = await limited(api, SLOW, frozenset({"write"}))
    answers = [await client.get("cus_1") for _ in range(20)]  # in less than twenty seconds
    assert {answer.refusal() for answer in answers} == {(403, "forbidden")}
    assert remaining(answers[0]) > remaining(answers[-1])


async def test_where_no_limit_applies_nothing_is_said_of_one(api: RunningApi) -> None:
    for answer in (
        await api.client.page(),  # a key without a limit
        await api.client.having("").page(),
        await api.client.request("GET", "/healthz"),
        await (await limited(api, SLOW)).request("GET", "/v1/nothing"),
    ):
        assert not {"RateLimit", "RateLimit-Policy"} & set(answer.headers)


async def test_keys_are_limited_each_for_itself(api: RunningApi) -> None:
    client, other = await limited(api, SLOW), await limited(api, SLOW)
    await emptied(client)
    assert (await other.get("cus_1")).status == 404
    assert (await api.client.get("cus_1")).status == 404


async def test_a_batch_costs_its_items(api: RunningApi) -> None:
    client = await limited(api, SLOW)
    items = [{"email": f"jane{n}@example.com", "name": "Jane"} for n in range(90)]
    first = await client.request("POST", "/v1/customers/batch", {"customers": items})
    assert first.status == 200
    assert remaining(first) in {LEAST_BURST - 90, LEAST_BURST - 89}  # a second may have passed
    before = await api.stored()
    second = await client.request("POST", "/v1/customers/batch", {"customers": items})
    assert second.refusal() == (429, "rate_limited")
    assert int(second.headers["Retry-After"]) == 90 - remaining(second)
    assert second.headers["RateLimit"].endswith(f";t={second.headers['Retry-After']}")
    assert await api.stored() == before


async def test_a_refused_request_stores_nothing(api: RunningApi) -> None:
    client = await limited(api, SLOW)
    await emptied(client)
    before = await api.stored()
    answers = [await client.create(email=f"john{n}@example.com") for n in range(10)]
    assert {answer.status for answer in answers} <= {429, 201}  # a second may have passed
    created = sum(answer.status == 201 for answer in answers)
    assert (await api.stored())["customer_events"] == before["customer_events"] + created
    assert created < 10
