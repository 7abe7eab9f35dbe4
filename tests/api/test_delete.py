"""DELETE /v1/customers/{id}: a tombstone, again and again."""

from __future__ import annotations

import pytest

from tests.support.api import Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_it_answers_with_the_tombstone(client: Client) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.delete(customer_id)
    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert list(answer.json().items()) == [("id", customer_id), ("object", "customer"), ("deleted", True)]


async def test_a_second_delete_answers_the_same_and_writes_nothing(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    first = await api.client.delete(customer_id)
    stored = await api.stored()
    second = await api.client.delete(customer_id)
    assert (second.status, second.body, second.version) == (first.status, first.body, first.version)
    assert await api.stored() == stored


async def test_it_frees_the_email(client: Client) -> None:
    first = await client.created()
    await client.delete(first["id"])
    second = await client.created()
    assert second["id"] != first["id"]
    await client.delete(first["id"])
    assert (await client.create()).refusal() == (409, "duplicate_email")


async def test_if_match_of_another_version_is_412_and_nothing_is_deleted(client: Client) -> None:
    customer_id = (await client.created())["id"]
    for header in ('"2"', 'W/"1"'):
        answer = await client.delete(customer_id, {"If-Match": header})
        assert answer.refusal() == (412, "version_mismatch")
    assert (await client.get(customer_id)).json()["email"] == "john@example.com"
    assert (await client.delete(customer_id, {"If-Match": '"1"'})).status == 200


async def test_a_deleted_customer_leaves_the_list(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    await api.sweep()
    assert await api.client.ids() == [customer_id]
    await api.client.delete(customer_id)
    await api.sweep()
    assert await api.client.ids() == []
    assert await api.client.ids(email="john@example.com") == []


async def test_a_body_is_refused(client: Client) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.request("DELETE", f"/v1/customers/{customer_id}", {"why": "because"})
    assert answer.refusal() == (400, "invalid_request")
    assert (await client.get(customer_id)).version == 1
