"""GET /v1/customers/{id}/history: who changed what, when; pages in both orders."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from events.mapper import to_microseconds
from service.api_keys import SCOPES
from tests.support.api import Answer, Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUDITOR = frozenset(SCOPES)
ADDRESS = {"line1": "123 Main St", "city": "San Francisco", "country": "us"}


async def auditor(api: RunningApi) -> Client:
    return await api.client_with(AUDITOR)


async def history(client: Client, customer_id: str, query: str = "") -> Answer:
    return await client.request("GET", f"/v1/customers/{customer_id}/history{query}")


async def events(client: Client, customer_id: str, query: str = "") -> list[Any]:
    answer = await history(client, customer_id, query)
    assert answer.status == 200, answer.body
    return list(answer.json()["data"])


async def versions(client: Client, customer_id: str, query: str) -> tuple[list[int], bool]:
    answer = await history(client, customer_id, query)
    assert answer.status == 200, answer.body
    page = answer.json()
    return [event["version"] for event in page["data"]], page["hasMore"]


async def renamed(client: Client, times: int) -> str:
    customer_id = str((await client.created())["id"])
    for number in range(times):
        await client.patch(customer_id, name=f"Name {number}")
    return customer_id


async def test_an_event_tells_who_changed_what_by_which_request(api: RunningApi) -> None:
    client = await auditor(api)
    headers = {"Idempotency-Key": "a-key", "X-Correlation-Id": "job-7"}
    created = await client.create(headers)
    customer_id = created.json()["id"]
    answer = await history(client, customer_id)
    assert answer.status == 200
    assert list(answer.json()) == ["object", "url", "hasMore", "data"]
    assert answer.json()["object"] == "list"
    assert answer.json()["url"] == f"/v1/customers/{customer_id}/history"
    (event,) = answer.json()["data"]
    recorded = (await api.operator.metadata(customer_id))[0]
    assert event == {
        "position": 1,
        "version": 1,
        "type": "customer.created",
        "recordedAt": event["recordedAt"],
        "actor": {"id": recorded["actor"], "name": "test"},
        "requestId": created.headers["X-Request-Id"],
        "correlationId": "job-7",
        "idempotencyKeyHash": recorded["idempotencyKeyHash"],
        "changes": {
            "email": {"from": None, "to": "john@example.com"},
            "name": {"from": None, "to": "John Doe"},
        },
    }
    assert len(event["idempotencyKeyHash"]) == 16


async def test_changes_within_address_and_metadata_are_told_by_their_paths(api: RunningApi) -> None:
    client = await auditor(api)
    customer_id = (await client.created(address=ADDRESS, metadata={"tier": "tin", "a.b": "1"}))["id"]
    await client.patch(customer_id, address={"city": "Paris", "line1": None}, metadata={"tier": "gold"})
    await client.patch(customer_id, address=None, metadata=None, phone="1")
    created, patched, cleared = await events(client, customer_id, "?order=asc")
    assert created["changes"]["address.country"] == {"from": None, "to": "US"}
    assert created["changes"]["metadata.a.b"] == {"from": None, "to": "1"}
    assert "address.line2" not in created["changes"]
    assert patched["changes"] == {
        "address.line1": {"from": "123 Main St", "to": None},
        "address.city": {"from": "San Francisco", "to": "Paris"},
        "metadata.tier": {"from": "tin", "to": "gold"},
    }
    assert cleared["changes"] == {
        "phone": {"from": None, "to": "1"},
        "address.city": {"from": "Paris", "to": None},
        "address.country": {"from": "US", "to": None},
        "metadata.tier": {"from": "gold", "to": None},
        "metadata.a.b": {"from": "1", "to": None},
    }


async def test_a_deleted_customer_keeps_its_history(api: RunningApi) -> None:
    client = await auditor(api)
    customer_id = await renamed(client, 1)
    await client.delete(customer_id)
    told = await events(client, customer_id)
    assert [event["type"] for event in told] == ["customer.deleted", "customer.updated", "customer.created"]
    assert told[0]["changes"] == {}


async def test_of_an_erased_customer_it_tells_which_members_changed_when_and_no_values(
    api: RunningApi,
) -> None:
    client = await auditor(api)
    customer_id = (await client.created(address=ADDRESS))["id"]
    await client.patch(customer_id, name="Jo", address={"city": "Paris"})
    before = await events(client, customer_id)
    answer = await client.request("POST", f"/v1/customers/{customer_id}/erase")
    assert answer.status == 200
    erased, updated, created = await events(client, customer_id)
    assert (erased["type"], erased["version"], erased["changes"]) == ("customer.erased", 3, {})
    gone = {"from": "[erased]", "to": "[erased]"}
    assert updated == before[0] | {"changes": {"name": gone, "address": gone}}
    assert created == before[1] | {"changes": {"email": gone, "name": gone, "address": gone}}
    assert await versions(client, customer_id, "?limit=1&startingAfter=3") == ([2], True)


async def test_pages_go_on_beyond_a_version_in_either_order(api: RunningApi) -> None:
    client = await auditor(api)
    customer_id = await renamed(client, 4)
    assert await versions(client, customer_id, "?limit=2") == ([5, 4], True)
    assert await versions(client, customer_id, "?limit=2&startingAfter=4") == ([3, 2], True)
    assert await versions(client, customer_id, "?limit=2&startingAfter=2") == ([1], False)
    assert await versions(client, customer_id, "?startingAfter=1") == ([], False)
    assert await versions(client, customer_id, "?startingAfter=99") == ([5, 4, 3, 2, 1], False)
    assert await versions(client, customer_id, "?limit=3&order=asc") == ([1, 2, 3], True)
    assert await versions(client, customer_id, "?limit=2&order=asc&startingAfter=3") == ([4, 5], False)
    assert await versions(client, customer_id, "?order=asc&startingAfter=99") == ([], False)


async def test_the_link_header_leads_to_the_next_page_and_keeps_what_was_asked(api: RunningApi) -> None:
    client = await auditor(api)
    customer_id = await renamed(client, 3)
    path = f"/v1/customers/{customer_id}/history"
    first = await history(client, customer_id, "?order=asc&limit=2")
    assert first.headers["Link"] == f'<{path}?order=asc&limit=2&startingAfter=2>; rel="next"'
    last = await history(client, customer_id, "?order=asc&limit=2&startingAfter=2")
    assert "Link" not in last.headers


async def test_ten_events_are_a_page_unless_asked_otherwise(api: RunningApi) -> None:
    client = await auditor(api)
    customer_id = await renamed(client, 11)
    assert await versions(client, customer_id, "") == ([*range(12, 2, -1)], True)


async def test_times_and_positions_are_those_of_the_ledger(api: RunningApi) -> None:
    client = await auditor(api)
    customer_id = await renamed(client, 2)
    rows = await api.operator.select(
        "SELECT position, recorded_at FROM events.customer_events WHERE originator_id = $1 ORDER BY 1",
        customer_id,
    )
    told = await events(client, customer_id, "?order=asc")
    moments = [datetime.fromisoformat(event["recordedAt"]) for event in told]
    assert [event["position"] for event in told] == [row["position"] for row in rows]
    assert [to_microseconds(moment) for moment in moments] == [row["recorded_at"] for row in rows]
    assert all(len(event["recordedAt"]) == len("2026-11-22T10:37:53.586050Z") for event in told)


async def test_a_history_needs_the_scope_audit(api: RunningApi) -> None:
    customer_id = await renamed(api.client, 0)
    assert (await history(api.client, customer_id)).refusal() == (403, "forbidden")
    audits_only = await api.client_with(frozenset({"audit"}))
    assert (await history(audits_only, customer_id)).status == 200
    assert (await audits_only.get(customer_id)).refusal() == (403, "forbidden")


async def test_unknown_foreign_and_malformed_ids_have_no_history(api: RunningApi) -> None:
    foreign = await renamed(await auditor(await api.of_new_merchant()), 0)
    client = await auditor(api)
    for customer_id in (foreign, "cus_01jd4q8w9zexampxexampxe000", "cus_%27", "batch", "x"):
        for query in ("", "?startingAfter=1", "?order=asc"):
            answer = await history(client, customer_id, query)
            assert answer.refusal() == (404, "customer_not_found"), customer_id


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?order=down", "order"),
        ("?startingAfter=0", "startingAfter"),
        ("?startingAfter=cus_x", "startingAfter"),
        ("?startingAfter=9007199254740992", "startingAfter"),
        ("?limit=1&limit=2", "limit"),
    ],
)
async def test_parameters_that_do_not_fit_are_named(api: RunningApi, query: str, param: str) -> None:
    client = await auditor(api)
    answer = await history(client, await renamed(client, 0), query)
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == param


async def test_another_parameter_is_unknown(api: RunningApi) -> None:
    answer = await history(await auditor(api), "cus_01jd4q8w9zexampxexampxe000", "?endingBefore=1")
    assert answer.refusal() == (400, "unknown_parameter")
