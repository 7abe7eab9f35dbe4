"""GET /v1/events: what happened to the merchant's customers, page by page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from service.feed.event_parameters import TOPICS
from tests.support.api import Answer, Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def events(client: Client, **parameters: Any) -> Answer:
    return await client.request("GET", f"/v1/events?{urlencode(parameters)}")


async def to_the_end(client: Client, **parameters: Any) -> list[Any]:
    """Every event there is, and that pages follow one another without a gap."""
    found: list[Any] = []
    after, has_more = 0, True
    while has_more:
        answer = await events(client, after=after, **parameters)
        assert answer.status == 200, answer.body
        page = answer.json()
        found += page["data"]
        assert page["nextAfter"] > after or not page["hasMore"]
        after, has_more = page["nextAfter"], page["hasMore"]
    return found


async def some_history(client: Client) -> list[str]:
    """Three customers, seven events: the ids."""
    ids = [(await client.created(email=f"c{number}@example.com"))["id"] for number in range(3)]
    await client.patch(ids[0], name="Jane")
    await client.delete(ids[1])
    await client.patch(ids[0], phone="+1", metadata={"tier": "gold"})
    await client.patch(ids[2], name="Jo")
    return ids


async def test_a_page_has_the_events_in_the_order_in_which_they_happened(api: RunningApi) -> None:
    ids = await some_history(api.client)
    answer = await events(api.client)
    page = answer.json()
    assert list(page) == ["object", "url", "hasMore", "data", "nextAfter"]
    assert (page["object"], page["url"], page["hasMore"], page["nextAfter"]) == (
        "list", "/v1/events", False, 7,
    )  # fmt: skip
    assert [event["position"] for event in page["data"]] == list(range(1, 8))
    assert [event["data"]["id"] for event in page["data"]] == [*ids, ids[0], ids[1], ids[0], ids[2]]
    assert answer.headers["Ledger-Epoch"] == "1"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "Link" not in answer.headers
    told = page["data"][5]
    assert list(told) == [
        "event", "timestamp", "data", "previousAttributes", "version", "position", "actor",
    ]  # fmt: skip
    assert told["event"] == "customer.updated"
    assert told["data"] == (await api.client.get(ids[0])).json()
    assert told["previousAttributes"] == {"phone": None, "metadata": None}
    assert told["actor"].startswith("key_")
    assert page["data"][4]["data"] == {"id": ids[1], "object": "customer", "deleted": True}


async def test_nothing_happened_yet(client: Client) -> None:
    answer = await events(client)
    assert answer.body == b'{"object":"list","url":"/v1/events","hasMore":false,"data":[],"nextAfter":0}'


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_of_any_size_bring_every_event_once(client: Client, limit: int) -> None:
    await some_history(client)
    found = await to_the_end(client, limit=limit)
    assert [event["position"] for event in found] == list(range(1, 8))


async def test_link_leads_on(client: Client) -> None:
    await some_history(client)
    answer = await events(client, limit=3, types="customer.created,customer.updated")
    assert answer.headers["Link"] == (
        '</v1/events?limit=3&types=customer.created%2Ccustomer.updated&after=3>; rel="next"'
    )
    assert [event["position"] for event in answer.json()["data"]] == [1, 2, 3]
    following = await client.request("GET", answer.headers["Link"].split(">")[0][1:])
    assert [event["position"] for event in following.json()["data"]] == [4, 6, 7]
    assert "Link" not in following.headers


@pytest.mark.parametrize("limit", [1, 2, 10])
async def test_types_are_chosen_and_the_rest_is_not_looked_at_again(client: Client, limit: int) -> None:
    await some_history(client)
    found = await to_the_end(client, limit=limit, types="customer.deleted")
    assert [(event["event"], event["position"]) for event in found] == [("customer.deleted", 5)]
    found = await to_the_end(client, limit=limit, types="customer.deleted,customer.updated")
    assert [event["position"] for event in found] == [4, 5, 6, 7]
    page = (await events(client, types="customer.erased")).json()
    assert (page["data"], page["hasMore"], page["nextAfter"]) == ([], False, 7)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("after=1.0", "after"),
        ("after=", "after"),
        ("after=9007199254740992", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("wait=31", "wait"),
        ("wait=-1", "wait"),
        ("wait=0.5", "wait"),
        ("types=", "types"),
        ("types=customer", "types"),
        ("types=customer.created,", "types"),
        ("types=customer.created,customer.exploded", "types"),
        ("types=customer.created&types=customer.deleted", "types"),
        ("after=1&after=1", "after"),
    ],
)
async def test_what_does_not_fit_is_refused_by_name(client: Client, query: str, param: str) -> None:
    answer = await client.request("GET", f"/v1/events?{query}")
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == param


async def test_the_refusal_of_a_type_lists_those_that_are_known(client: Client) -> None:
    answer = await events(client, types="customer.exploded")
    assert all(name in answer.json()["message"] for name in TOPICS)


@pytest.mark.parametrize("name", ["startingAfter", "order", "expand", "type"])
async def test_other_parameters_are_unknown(client: Client, name: str) -> None:
    assert (await client.request("GET", f"/v1/events?{name}=1")).refusal() == (400, "unknown_parameter")


async def test_a_position_beyond_the_end_is_refused_however_it_is_given(client: Client) -> None:
    await some_history(client)
    for path, headers, param in (
        ("/v1/events?after=8", {}, "after"),
        ("/v1/events?after=8&wait=1", {}, "after"),
        ("/v1/events", {"Last-Event-ID": "8"}, "Last-Event-ID"),
        ("/v1/events", {"Last-Event-ID": "8", "Accept": "text/event-stream"}, "Last-Event-ID"),
        ("/v1/events?after=8", {"Accept": "text/event-stream"}, "after"),
    ):
        answer = await client.request("GET", path, headers=headers)
        assert answer.refusal() == (400, "invalid_cursor")
        assert answer.json()["param"] == param
        assert "beyond the end at 7" in answer.json()["message"]
    assert (await events(client, after=7)).json()["data"] == []


async def test_last_event_id_stands_for_after(client: Client) -> None:
    await some_history(client)
    headers = {"Last-Event-ID": "5"}
    page = (await client.request("GET", "/v1/events", headers=headers)).json()
    assert [event["position"] for event in page["data"]] == [6, 7]
    assert (await client.request("GET", "/v1/events?after=5", headers=headers)).json() == page
    answer = await client.request("GET", "/v1/events?after=4", headers=headers)
    assert answer.refusal() == (400, "invalid_request")
    for malformed in ("x", "-1", "", "1.5", "9" * 17):
        answer = await client.request("GET", "/v1/events", headers={"Last-Event-ID": malformed})
        assert answer.refusal() == (400, "invalid_request")
        assert answer.json()["param"] == "Last-Event-ID"


async def test_head_works_as_get(client: Client) -> None:
    await some_history(client)
    answer = await client.request("HEAD", "/v1/events")
    assert (answer.status, answer.body, answer.headers["Ledger-Epoch"]) == (200, b"", "1")
    streamed = await client.request("HEAD", "/v1/events", headers={"Accept": "text/event-stream"})
    assert (streamed.status, streamed.headers["Content-Type"]) == (200, "text/event-stream")


async def test_it_takes_the_scope_read(api: RunningApi) -> None:
    client = await api.client_with(frozenset({"write", "audit", "erase"}))
    assert (await events(client)).refusal() == (403, "forbidden")
    assert (await events(await api.client_with(frozenset({"read"})))).status == 200


async def test_another_merchant_sees_nothing(api: RunningApi) -> None:
    await some_history(api.client)
    other = await api.of_new_merchant()
    assert (await events(other.client)).json()["data"] == []
    assert (await events(other.client, after=1)).refusal() == (400, "invalid_cursor")


async def test_of_an_erased_customer_ids_and_the_erasure_are_left(api: RunningApi) -> None:
    ids = await some_history(api.client)
    eraser = await api.client_with(frozenset({"erase"}))
    await eraser.request("POST", f"/v1/customers/{ids[0]}/erase")
    answer = await events(api.client)
    assert b"Jane" not in answer.body
    assert b"c0@example.com" not in answer.body
    own = [event for event in answer.json()["data"] if event["data"]["id"] == ids[0]]
    assert [event["position"] for event in own] == [1, 4, 6, 8]
    assert [event["data"] for event in own[:3]] == [{"id": ids[0], "object": "customer"}] * 3
    assert [event["previousAttributes"] for event in own] == [{}] * 4
    assert own[3]["event"] == "customer.erased"
    assert own[3]["data"] == {"id": ids[0], "object": "customer", "deleted": True}


async def test_large_customers_make_short_pages(client: Client) -> None:
    for number in range(45):
        metadata = {f"key{part}": "x" * 500 for part in range(50)}
        await client.created(email=f"c{number}@example.com", metadata=metadata)
    answer = await events(client, limit=1000)
    assert answer.json()["hasMore"]
    assert len(answer.body) < 1024 * 1024 + 32 * 1024
    assert [event["position"] for event in await to_the_end(client, limit=1000)] == list(range(1, 46))
