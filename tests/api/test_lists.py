"""GET /v1/customers: order, pages in both directions, cursors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.support.api import RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Five(NamedTuple):
    """An API with five customers, newest first."""

    api: RunningApi
    customers: list[Any]

    @property
    def ids(self) -> list[str]:
        return [customer["id"] for customer in self.customers]


@pytest_asyncio.fixture(loop_scope="session")
async def five(api: RunningApi) -> AsyncIterator[Five]:
    """Five customers, in the read model."""
    made = [await api.client.created(email=f"{n}@example.com", name=f"Number {n}") for n in range(5)]
    await api.sweep()
    yield Five(api, made[::-1])


async def test_nothing_found_is_an_empty_list(api: RunningApi) -> None:
    answer = await api.client.page()
    assert answer.status == 200
    assert answer.body == b'{"object":"list","url":"/v1/customers","hasMore":false,"data":[]}'
    assert "ETag" not in answer.headers


async def test_a_list_shows_whole_customers_newest_first(five: Five) -> None:
    answer = (await five.api.client.page()).json()
    assert list(answer) == ["object", "url", "hasMore", "data"]
    assert answer["data"] == five.customers
    assert answer["hasMore"] is False


async def test_limit_cuts_the_page_and_has_more_says_so(five: Five) -> None:
    for limit, more in ((1, True), (4, True), (5, False), (100, False)):
        page = (await five.api.client.page(limit=limit)).json()
        assert [customer["id"] for customer in page["data"]] == five.ids[:limit]
        assert page["hasMore"] is more


async def test_without_a_limit_a_page_has_ten(five: Five) -> None:
    for n in range(6):
        await five.api.client.created(email=f"more{n}@example.com")
    await five.api.sweep()
    page = (await five.api.client.page()).json()
    assert len(page["data"]) == 10
    assert page["hasMore"] is True


async def test_starting_after_walks_to_the_oldest(five: Five) -> None:
    client, more = five.api.client, True
    seen: list[str] = []
    parameters: dict[str, str] = {}
    while more:
        page = (await client.page(limit=2, **parameters)).json()
        seen += [customer["id"] for customer in page["data"]]
        parameters, more = {"startingAfter": seen[-1]}, page["hasMore"]
    assert seen == five.ids


async def test_ending_before_walks_to_the_newest_and_pages_stay_newest_first(five: Five) -> None:
    client, newest_first = five.api.client, five.ids
    page = (await client.page(limit=2, endingBefore=newest_first[4])).json()
    assert ([customer["id"] for customer in page["data"]], page["hasMore"]) == (newest_first[2:4], True)
    page = (await client.page(limit=2, endingBefore=newest_first[2])).json()
    assert ([customer["id"] for customer in page["data"]], page["hasMore"]) == (newest_first[:2], False)


async def test_has_more_looks_in_the_direction_asked(five: Five) -> None:
    client, ids = five.api.client, five.ids
    assert (await client.page(endingBefore=ids[1])).json()["hasMore"] is False
    assert (await client.page(startingAfter=ids[3])).json()["hasMore"] is False
    assert (await client.page(limit=1, startingAfter=ids[2])).json()["hasMore"] is True
    assert (await client.page(limit=1, endingBefore=ids[2])).json()["hasMore"] is True


async def test_beyond_either_end_there_is_nothing(five: Five) -> None:
    assert await five.api.client.ids(startingAfter=five.ids[-1]) == []
    assert await five.api.client.ids(endingBefore=five.ids[0]) == []


@pytest.mark.parametrize("swept", [False, True])
async def test_a_deleted_id_still_works_as_cursor(five: Five, swept: bool) -> None:
    client, ids = five.api.client, five.ids
    await client.delete(ids[2])
    if swept:
        await five.api.sweep()
    assert await client.ids(startingAfter=ids[2]) == ids[3:]
    assert await client.ids(endingBefore=ids[2]) == ids[:2]


async def test_a_cursor_may_be_newer_than_the_read_model(five: Five) -> None:
    newest = await five.api.client.created(email="newest@example.com")
    assert await five.api.client.ids(startingAfter=newest["id"]) == five.ids


@pytest.mark.parametrize("parameter", ["startingAfter", "endingBefore"])
async def test_an_unknown_malformed_or_foreign_cursor_is_refused_alike(five: Five, parameter: str) -> None:
    stranger = await five.api.of_new_merchant()
    foreign = (await stranger.client.created())["id"]
    unknown = foreign[:-1] + ("0" if foreign[-1] != "0" else "1")
    bodies = []
    for cursor in (foreign, unknown, "cus_1", "", "x" * 200, f"{foreign}\x00", "%"):
        answer = await five.api.client.page(**{parameter: cursor})
        assert answer.refusal() == (400, "invalid_cursor"), cursor
        bodies.append(answer.json() | {"requestId": ""})
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["param"] == parameter


async def test_both_cursors_at_once_are_refused(five: Five) -> None:
    answer = await five.api.client.page(startingAfter=five.ids[0], endingBefore=five.ids[3])
    assert answer.refusal() == (400, "invalid_request")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "", "1.0", "1e1", "٣", "9" * 400])
async def test_a_limit_out_of_range_is_400(five: Five, limit: str) -> None:
    answer = await five.api.client.page(limit=limit)
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == "limit"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=1&limit=1", "invalid_request"),
        ("email=a@example.com&email=b@example.com", "invalid_request"),
        ("startingAfter=cus_1&startingAfter=cus_1", "invalid_request"),
        ("created[gt]=1&created%5Bgt%5D=1", "invalid_request"),
        ("starting_after=x", "unknown_parameter"),
        ("Limit=1", "unknown_parameter"),
        ("created[ne]=1", "unknown_parameter"),
        ("created=1", "unknown_parameter"),
        ("merchantId=mer_1", "unknown_parameter"),
        ("=", "unknown_parameter"),
        ("%00=1", "unknown_parameter"),
        ("%FF%FE=1", "unknown_parameter"),
    ],
)
async def test_a_repeated_or_unknown_parameter_is_400(five: Five, query: str, code: str) -> None:
    assert (await five.api.client.request("GET", f"/v1/customers?{query}")).refusal() == (400, code)


async def test_a_list_has_the_customers_of_its_merchant_alone(five: Five) -> None:
    stranger = await five.api.of_new_merchant()
    own = await stranger.client.created(email="0@example.com")
    await five.api.sweep()
    assert await stranger.client.ids() == [own["id"]]
    assert await stranger.client.ids(email="1@example.com") == []
    assert await five.api.client.ids() == five.ids
