"""GET /v1/customers with `deleted`, `count` and `fresh`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.support.api import JOHN, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def three(api: RunningApi) -> list[Any]:
    """Three customers, the second deleted; newest first."""
    made = [await api.client.created(email=f"{n}@example.com", metadata={"tier": "gold"}) for n in range(3)]
    await api.client.delete(made[1]["id"])
    await api.sweep()
    return made[::-1]


async def test_deleted_customers_are_listed_in_their_place_when_asked(api: RunningApi) -> None:
    newest, gone, oldest = await three(api)
    before = int(time.time()) - 60
    assert (await api.client.page()).json()["data"] == [newest, oldest]
    assert (await api.client.page(deleted="false")).json()["data"] == [newest, oldest]
    answer = await api.client.page(deleted="true")
    listed = answer.json()["data"]
    assert [listed[0], listed[2]] == [newest, oldest]
    assert list(listed[1]) == ["id", "object", "deleted", "deletedAt"]
    assert listed[1] | {"deletedAt": 0} == {
        "id": gone["id"],
        "object": "customer",
        "deleted": True,
        "deletedAt": 0,
    }
    assert before <= listed[1]["deletedAt"] <= time.time()


async def test_a_deleted_customer_matches_times_and_nothing_else(api: RunningApi) -> None:
    _, gone, _ = await three(api)
    deleted_at = next(
        one for one in (await api.client.page(deleted="true")).json()["data"] if "deletedAt" in one
    )
    second = deleted_at["deletedAt"]
    for times in ({"created_lte": gone["created"]}, {"updated_gte": second, "updated_lte": second}):
        assert gone["id"] in await api.client.ids(deleted="true", **times)
    for filters in (
        {"metadata_tier": "gold"},
        {"q": "john"},
        {"email": gone["email"]},
        {"created_gt": second},
    ):
        assert gone["id"] not in await api.client.ids(deleted="true", **filters)


async def test_pages_go_through_deleted_customers_in_both_directions(api: RunningApi) -> None:
    ids = [customer["id"] for customer in await three(api)]
    both = {"deleted": "true", "limit": 1}
    assert await api.client.ids(**both) == ids[:1]
    assert await api.client.ids(**both, startingAfter=ids[0]) == ids[1:2]
    assert await api.client.ids(**both, endingBefore=ids[2]) == ids[1:2]
    assert (await api.client.page(**both, startingAfter=ids[1])).json()["hasMore"] is False


async def test_stats_are_those_of_the_living_alone(api: RunningApi) -> None:
    await three(api)
    listed = (await api.client.page(deleted="true", expand="stats")).json()["data"]
    assert ["totalSpent" in one for one in listed] == [True, False, True]


async def test_a_count_is_of_all_that_match_whatever_the_page(api: RunningApi) -> None:
    _, _, oldest = await three(api)
    for filters, count in (
        ({}, 2),
        ({"limit": 1}, 2),
        ({"startingAfter": oldest["id"]}, 2),
        ({"deleted": "true"}, 3),
        ({"metadata_tier": "gold", "deleted": "true"}, 2),
        ({"q": "nobody"}, 0),
        ({"created_gt": oldest["created"] + 100}, 0),
        ({"email": oldest["email"]}, 1),
        ({"email": oldest["email"], "startingAfter": oldest["id"]}, 1),
        ({"email": oldest["email"], "q": "nobody"}, 0),
    ):
        answer = (await api.client.page(count="true", **filters)).json()
        assert list(answer) == ["object", "url", "hasMore", "data", "totalCount"], filters
        assert answer["totalCount"] == count, filters
    assert "totalCount" not in (await api.client.page(count="false")).json()


async def test_a_count_says_where_it_stops(api: RunningApi) -> None:
    copies = """
        INSERT INTO projections.customers
        SELECT merchant_id, 'cus_' || n, version, created_at - n, updated_at, deleted, body, terms, words
        FROM projections.customers CROSS JOIN generate_series(1, $2) AS n WHERE merchant_id = $1
    """
    await api.client.created()
    await api.sweep()
    await api.operator.select(copies, api.merchant_id, 9_999)
    answer = (await api.client.page(count="true", limit=1)).json()
    assert (answer["totalCount"], "totalCountCapped" in answer) == (10_000, False)
    await api.client.created(email="one.more@example.com")
    await api.sweep()
    for filters in ({}, {"q": "john"}):
        answer = (await api.client.page(count="true", limit=1, **filters)).json()
        assert (answer["totalCount"], answer["totalCountCapped"]) == (10_000, True)


async def test_a_fresh_list_waits_for_what_was_stored_before(api: RunningApi) -> None:
    customer = await api.client.created()
    assert await api.client.ids() == []
    asking = asyncio.create_task(api.client.ids(fresh="true"))
    await api.client.get(customer["id"])
    assert not asking.done()
    await api.sweep()
    assert await asking == [customer["id"]]


async def test_a_fresh_list_does_not_wait_where_nothing_is_behind(api: RunningApi) -> None:
    assert await api.client.ids(fresh="true") == []
    customer = await api.client.created()
    await api.sweep()
    began = time.monotonic()
    assert await api.client.ids(fresh="true", q="john") == [customer["id"]]
    assert time.monotonic() - began < 1


async def test_a_fresh_list_is_refused_when_the_read_model_does_not_follow(api: RunningApi) -> None:
    await api.client.created()
    began = time.monotonic()
    answer = await api.client.page(fresh="true")
    assert answer.refusal() == (503, "projection_lagging")
    assert answer.headers["Retry-After"] == "1"
    assert 2 <= time.monotonic() - began < 5


async def test_an_email_is_fresh_without_waiting(api: RunningApi) -> None:
    customer = await api.client.created()
    assert await api.client.ids(email=JOHN["email"], fresh="true") == [customer["id"]]
