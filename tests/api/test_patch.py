"""PATCH /v1/customers/{id}: a JSON merge patch (RFC 7396), applied to the customer as it is now."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADDRESS = {
    "line1": "1 Main St",
    "line2": None,
    "city": "Paris",
    "state": None,
    "postalCode": None,
    "country": "FR",
}


async def test_absent_members_stay_and_given_ones_change(client: Client) -> None:
    before = await client.created(phone="1", description="VIP")
    answer = await client.patch(before["id"], phone="2", name="Johnny")
    assert answer.status == 200
    assert answer.json() == before | {"phone": "2", "name": "Johnny", "updated": answer.json()["updated"]}
    assert list(answer.json()) == list(before)


async def test_it_answers_with_the_new_version_as_etag_and_no_location(client: Client) -> None:
    answer = await client.patch((await client.created())["id"], name="Johnny")
    assert answer.headers["ETag"] == '"2"'
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("phone", "1"),
        ("address", ADDRESS),
        ("companyName", "Acme"),
        ("taxId", "12"),
        ("description", "VIP"),
        ("metadata", {"tier": "gold"}),
    ],
)
async def test_null_clears(client: Client, member: str, value: Any) -> None:
    customer_id = (await client.created(**{member: value}))["id"]
    assert (await client.patch(customer_id, **{member: None})).json()[member] is None
    assert (await client.get(customer_id)).json()[member] is None


@pytest.mark.parametrize("member", ["email", "name"])
async def test_null_for_email_or_name_is_400(client: Client, member: str) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.patch(customer_id, **{member: None})
    assert answer.refusal() == (400, "invalid_request")
    assert [(e["param"], e["code"]) for e in answer.json()["errors"]] == [(member, "not_nullable")]
    assert (await client.get(customer_id)).version == 1


async def test_an_address_is_merged_by_key(client: Client) -> None:
    customer_id = (await client.created(address=ADDRESS))["id"]
    patched = (await client.patch(customer_id, address={"city": "Lyon", "line1": None})).json()
    assert patched["address"] == ADDRESS | {"city": "Lyon", "line1": None}


async def test_an_address_left_with_nulls_only_is_cleared(client: Client) -> None:
    customer_id = (await client.created(address={"city": "Paris"}))["id"]
    assert (await client.patch(customer_id, address={"city": None})).json()["address"] is None


async def test_metadata_is_merged_by_key(client: Client) -> None:
    customer_id = (await client.created(metadata={"a": "1", "b": "2"}))["id"]
    patched = (await client.patch(customer_id, metadata={"b": None, "c": "3"})).json()
    assert patched["metadata"] == {"a": "1", "c": "3"}


async def test_metadata_left_empty_is_null(client: Client) -> None:
    customer_id = (await client.created(metadata={"a": "1"}))["id"]
    assert (await client.patch(customer_id, metadata={"a": None})).json()["metadata"] is None


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"name": "John Doe"},
        {"phone": None},
        {"address": {}},
        {"address": {"city": "Paris"}},
        {"address": {"country": "fr"}},
        {"metadata": {}},
        {"metadata": {"tier": "gold"}},
        {"metadata": {"never": None}},
    ],
)
async def test_a_patch_that_changes_nothing_writes_no_event(api: RunningApi, members: dict[str, Any]) -> None:
    created = await api.client.create(address={"city": "Paris", "country": "FR"}, metadata={"tier": "gold"})
    before = await api.stored()
    answer = await api.client.patch(created.json()["id"], **members)
    assert (answer.status, answer.body, answer.version) == (200, created.body, 1)
    assert await api.stored() == before


async def test_updated_moves_with_a_change_and_created_does_not(api: RunningApi) -> None:
    customer = await api.client.created()
    first = await moments(api, customer["id"])
    await api.client.patch(customer["id"], name="Johnny")
    patched = (await api.client.get(customer["id"])).json()
    times = await moments(api, customer["id"])
    assert times[0] == first[0] < times[1]
    assert (patched["created"], patched["updated"]) == (times[0] // 10**6, times[1] // 10**6)


async def moments(api: RunningApi, customer_id: str) -> list[int]:
    """The ledger's times of the customer's events, µs."""
    query = "SELECT recorded_at FROM events.customer_events WHERE originator_id = $1 ORDER BY position"
    return [row["recorded_at"] for row in await api.operator.select(query, customer_id)]


@pytest.mark.parametrize("content_type", ["application/merge-patch+json", "application/json"])
async def test_both_content_types_are_taken(client: Client, content_type: str) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.patch(customer_id, {"Content-Type": content_type}, name="Johnny")
    assert answer.status == 200


async def test_a_deleted_customer_is_404(client: Client) -> None:
    customer_id = (await client.created())["id"]
    await client.delete(customer_id)
    assert (await client.patch(customer_id, name="Johnny")).refusal() == (404, "customer_not_found")


@pytest.mark.parametrize("header", ['"2"', "*", '"1", "2"', ' "2" '])
async def test_if_match_of_the_current_version_lets_a_change_pass(client: Client, header: str) -> None:
    customer_id = (await client.created())["id"]
    await client.patch(customer_id, name="Johnny")
    answer = await client.patch(customer_id, {"If-Match": header}, name="Jo")
    assert (answer.status, answer.version) == (200, 3)


@pytest.mark.parametrize("header", ['"1"', 'W/"2"', '"1", "3"', '"02"', 'W/"1", W/"2"'])
async def test_if_match_of_other_versions_or_weak_is_412(client: Client, header: str) -> None:
    customer_id = (await client.created())["id"]
    await client.patch(customer_id, name="Johnny")
    answer = await client.patch(customer_id, {"If-Match": header}, name="Jo")
    assert answer.refusal() == (412, "version_mismatch")
    assert (await client.get(customer_id)).json()["name"] == "Johnny"


async def test_if_match_counts_for_a_patch_that_would_change_nothing(client: Client) -> None:
    customer_id = (await client.created())["id"]
    assert (await client.patch(customer_id, {"If-Match": '"2"'}, name="John Doe")).status == 412


async def test_several_if_match_lines_are_one_list(client: Client) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.patch(customer_id, [("If-Match", '"7"'), ("If-Match", '"1"')], name="Jo")
    assert answer.status == 200


@pytest.mark.parametrize("header", ["1", "", '"1', "**", '"1" "2"'])
async def test_a_malformed_if_match_is_400(client: Client, header: str) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.patch(customer_id, {"If-Match": header}, name="Jo")
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == "If-Match"


async def test_a_patch_is_decided_on_the_events_not_on_the_read_model(api: RunningApi) -> None:
    customer_id = (await api.client.created(metadata={"a": "1"}))["id"]
    await api.sweep()
    await api.client.patch(customer_id, metadata={"b": "2"})
    patched = await api.client.patch(customer_id, {"If-Match": '"2"'}, metadata={"c": "3"})
    assert patched.json()["metadata"] == {"a": "1", "b": "2", "c": "3"}
