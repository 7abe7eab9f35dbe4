"""GET /v1/customers/{id}: the customer as of now, tombstones, conditions, HEAD."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support.api import Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_get_reads_your_own_create_update_and_delete(api: RunningApi) -> None:
    created = await api.client.create()
    customer_id = created.json()["id"]
    assert (await api.client.get(customer_id)).body == created.body
    patched = await api.client.patch(customer_id, name="Johnny")
    assert (await api.client.get(customer_id)).body == patched.body
    await api.sweep()
    assert (await api.client.get(customer_id)).body == patched.body
    deleted = await api.client.delete(customer_id)
    assert (await api.client.get(customer_id)).body == deleted.body


async def test_it_answers_alike_before_and_after_the_read_model_was_filled(api: RunningApi) -> None:
    customer_id = (await api.client.created(metadata={"a": "1"}, address={"country": "us"}))["id"]
    await api.client.patch(customer_id, metadata={"b": "2"}, phone="1")
    before = await api.client.get(customer_id)
    await api.sweep()
    after = await api.client.get(customer_id)
    assert (before.body, before.version) == (after.body, after.version)


async def test_a_deleted_customer_is_a_tombstone_with_its_version(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    await api.client.delete(customer_id)
    for _ in range(2):
        answer = await api.client.get(customer_id)
        assert (answer.status, answer.version) == (200, 2)
        assert list(answer.json().items()) == [("id", customer_id), ("object", "customer"), ("deleted", True)]
        await api.sweep()


@pytest.mark.parametrize("header", ['"1"', 'W/"1"', "*", '"7", "1"', '"7",W/"1"', ' "1" ', '"x", , "1"'])
async def test_if_none_match_of_the_current_version_is_304(client: Client, header: str) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.get(customer_id, {"If-None-Match": header})
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "X-Request-Id" in answer.headers


@pytest.mark.parametrize("header", ['"2"', 'W/"2"', '"2", "3"', '"01"', '""'])
async def test_if_none_match_of_other_versions_gets_the_customer(client: Client, header: str) -> None:
    customer_id = (await client.created())["id"]
    assert (await client.get(customer_id, {"If-None-Match": header})).status == 200


async def test_several_if_none_match_lines_are_one_list(client: Client) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.get(customer_id, [("If-None-Match", '"7"'), ("If-None-Match", '"1"')])
    assert answer.status == 304


async def test_a_malformed_if_none_match_is_400(client: Client) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.get(customer_id, {"If-None-Match": "1"})
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == "If-None-Match"


async def test_the_etag_moves_with_every_change(client: Client) -> None:
    customer_id = (await client.created())["id"]
    await client.patch(customer_id, name="Johnny")
    assert (await client.get(customer_id, {"If-None-Match": '"1"'})).status == 200
    assert (await client.get(customer_id, {"If-None-Match": '"2"'})).status == 304
    await client.delete(customer_id)
    assert (await client.get(customer_id, {"If-None-Match": '"2"'})).status == 200
    assert (await client.get(customer_id, {"If-None-Match": '"3"'})).status == 304


async def test_head_answers_as_get_without_a_body(client: Client) -> None:
    customer_id = (await client.created())["id"]
    for path in (f"/v1/customers/{customer_id}", "/v1/customers", "/v1/customers/unknown"):
        got = await client.request("GET", path)
        head = await client.request("HEAD", path)
        assert (head.status, head.body) == (got.status, b"")
        assert steady(head.headers) == steady(got.headers)


def steady(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without those that differ with every answer."""
    return {name: value for name, value in headers.items() if name.lower() not in {"date", "x-request-id"}}


async def test_head_with_if_none_match_is_304(client: Client) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.request("HEAD", f"/v1/customers/{customer_id}", headers={"If-None-Match": '"1"'})
    assert answer.status == 304


async def test_an_unknown_parameter_is_400(client: Client) -> None:
    customer_id = (await client.created())["id"]
    answer = await client.request("GET", f"/v1/customers/{customer_id}?verbose=1")
    assert answer.refusal() == (400, "unknown_parameter")
    assert answer.json()["param"] == "verbose"
