"""Idempotency-Key: a retry gets the first answer again, and has no effect."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from service.http.json_gate import canonical
from tests.support.api import JOHN, Answer, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = {"Idempotency-Key": "order-17"}
PATCH_KEY = {"Idempotency-Key": "patch"}


def assert_replay(again: Answer, first: Answer) -> None:
    """It is the first answer, marked as a repetition."""
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers.get("Location") == first.headers.get("Location")
    assert (again.status, again.body) == (first.status, first.body)


async def test_repeating_the_key_of_a_create_returns_the_first_response(api: RunningApi) -> None:
    first = await api.client.create(KEY, metadata={"a": "1"})
    stored = await api.stored()
    for _ in range(2):
        assert_replay(await api.client.create(KEY, metadata={"a": "1"}), first)
    assert await api.stored() == stored
    assert stored["idempotency_keys"] == 1


async def test_repeating_the_key_of_a_patch_returns_the_first_response(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    first = await api.client.patch(customer_id, KEY, name="Johnny")
    assert_replay(await api.client.patch(customer_id, KEY, name="Johnny"), first)
    assert (await api.client.get(customer_id)).version == 2


async def test_a_patch_that_changed_nothing_is_remembered_too(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    first = await api.client.patch(customer_id, KEY, name="John Doe")
    assert (first.status, first.version) == (200, 1)
    await api.client.patch(customer_id, name="Johnny")
    assert_replay(await api.client.patch(customer_id, KEY, name="John Doe"), first)
    assert (await api.client.get(customer_id)).json()["name"] == "Johnny"


async def test_the_key_is_decided_before_if_match(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    headers = KEY | {"If-Match": '"1"'}
    first = await api.client.patch(customer_id, headers, name="Johnny")
    assert first.status == 200
    assert_replay(await api.client.patch(customer_id, headers, name="Johnny"), first)
    delete = {"Idempotency-Key": "delete", "If-Match": '"2"'}
    gone = await api.client.delete(customer_id, delete)
    assert_replay(await api.client.delete(customer_id, delete), gone)


async def test_repeating_the_key_of_a_delete_returns_the_tombstone(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    first = await api.client.delete(customer_id, KEY)
    assert_replay(await api.client.delete(customer_id, KEY), first)
    second = await api.client.delete(customer_id, {"Idempotency-Key": "again"})
    assert (second.status, second.body) == (first.status, first.body)
    assert_replay(await api.client.delete(customer_id, {"Idempotency-Key": "again"}), second)


@pytest.mark.parametrize("swept", [False, True])
async def test_a_retry_shows_the_customer_as_of_the_version_it_wrote(api: RunningApi, swept: bool) -> None:
    created = await api.client.create(KEY)
    customer_id = created.json()["id"]
    patched = await api.client.patch(customer_id, PATCH_KEY, phone="1")
    await api.client.patch(customer_id, email="jane@example.com", phone=None)
    if swept:
        await api.sweep()
    assert_replay(await api.client.create(KEY), created)
    assert_replay(await api.client.patch(customer_id, PATCH_KEY, phone="1"), patched)


async def test_a_retry_after_the_delete_still_returns_the_first_response(api: RunningApi) -> None:
    created = await api.client.create(KEY)
    customer_id = created.json()["id"]
    patched = await api.client.patch(customer_id, PATCH_KEY, phone="1")
    await api.client.delete(customer_id)
    stored = await api.stored()
    assert_replay(await api.client.create(KEY), created)
    assert_replay(await api.client.patch(customer_id, PATCH_KEY, phone="1"), patched)
    assert (await api.client.get(customer_id)).json()["deleted"] is True
    assert await api.stored() == stored


async def test_a_retried_create_or_delete_leaves_the_emails_next_owner_alone(api: RunningApi) -> None:
    first = await api.client.create(KEY)
    gone = await api.client.delete(first.json()["id"], PATCH_KEY)
    owner = await api.client.created()
    assert_replay(await api.client.create(KEY), first)
    assert_replay(await api.client.delete(first.json()["id"], PATCH_KEY), gone)
    assert await api.client.ids(email=JOHN["email"]) == [owner["id"]]


@pytest.mark.parametrize("changed", [{"name": "Jane"}, {"phone": "1"}, {"phone": None}, {"metadata": {}}])
async def test_the_same_key_with_another_body_is_422(api: RunningApi, changed: dict[str, Any]) -> None:
    await api.client.create(KEY)
    answer = await api.client.create(KEY, **changed)
    assert answer.refusal() == (422, "idempotency_key_reused")
    assert answer.json()["error"] == "Unprocessable Content"
    assert (await api.stored())["customer_events"] == 1


async def test_the_same_key_on_another_path_or_method_is_422(api: RunningApi) -> None:
    first = (await api.client.create(KEY)).json()["id"]
    second = (await api.client.created(email="jane@example.com"))["id"]
    for answer in (
        await api.client.patch(first, KEY, **JOHN),
        await api.client.delete(first, KEY),
        await api.client.patch(second, KEY, name="Jo"),
        await api.client.delete(second, KEY),
    ):
        assert answer.refusal() == (422, "idempotency_key_reused")


async def test_the_same_json_written_another_way_is_the_same_request(api: RunningApi) -> None:
    first = await api.client.create(KEY, name="J\u00f6", metadata={"a": "1", "b": "2"})
    content = b'{ "metadata" : {"b":"2", "a":"1"}, "name": "J\\u00f6",\n"email":"john@example.com" }'
    assert_replay(await api.client.request("POST", "/v1/customers", None, KEY, content=content), first)


@pytest.mark.parametrize("spelled", ['"order-17"', " order-17 ", ' "order-17" '])
async def test_a_quoted_key_equals_the_bare_one(api: RunningApi, spelled: str) -> None:
    first = await api.client.create(KEY)
    assert_replay(await api.client.create({"Idempotency-Key": spelled}), first)


async def test_keys_differ_in_case(api: RunningApi) -> None:
    await api.client.create(KEY)
    assert (await api.client.create({"Idempotency-Key": "ORDER-17"})).refusal() == (409, "duplicate_email")


async def test_the_same_key_of_another_merchant_is_another_key(api: RunningApi) -> None:
    stranger = await api.of_new_merchant()
    first = await api.client.create(KEY)
    other = await stranger.client.create(KEY)
    assert other.status == 201
    assert "Idempotent-Replayed" not in other.headers
    assert other.json()["id"] != first.json()["id"]


async def test_another_api_key_of_the_same_merchant_can_retry(api: RunningApi) -> None:
    first = await api.client.create(KEY)
    second = await api.client_with(frozenset({"write"}))
    assert_replay(await second.create(KEY), first)


async def test_errors_are_not_stored(api: RunningApi) -> None:
    jane = await api.client.created(email="jane@example.com")
    refusals = (
        (await api.client.create(KEY, name="")).status,
        (await api.client.create(KEY, email="JANE@example.com")).status,
        (await api.client.patch(jane["id"], KEY | {"If-Match": '"9"'}, name="J")).status,
        (await api.client.patch("cus_1", KEY, name="J")).status,
        (await api.client.delete("cus_01jd4q8w9zexampxexampxe000", KEY)).status,
    )
    assert refusals == (400, 409, 412, 404, 404)
    assert (await api.stored())["idempotency_keys"] == 0
    answer = await api.client.create(KEY)
    assert answer.status == 201
    assert "Idempotent-Replayed" not in answer.headers


@pytest.mark.parametrize("key", ["x" * 256, '"' + "x" * 256 + '"', "", '""', "kéy", '"k', "k\ty"])
async def test_a_key_too_long_empty_or_not_printable_ascii_is_400(api: RunningApi, key: str) -> None:
    answer = await api.client.create({"Idempotency-Key": key})
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == "Idempotency-Key"
    assert (await api.stored())["customer_events"] == 0


async def test_a_key_may_have_255_characters(api: RunningApi) -> None:
    first = await api.client.create({"Idempotency-Key": "x" * 255})
    assert_replay(await api.client.create({"Idempotency-Key": '"' + "x" * 255 + '"'}), first)


async def test_a_repeated_header_is_400(api: RunningApi) -> None:
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    customer_id = (await api.client.created(email="jane@example.com"))["id"]
    for answer in (
        await api.client.create(twice),
        await api.client.patch(customer_id, twice, name="Jo"),
        await api.client.delete(customer_id, twice),
    ):
        assert answer.refusal() == (400, "invalid_request")
        assert answer.json()["param"] == "Idempotency-Key"
    assert (await api.stored())["customer_events"] == 1


async def test_only_hashes_of_a_key_and_a_request_are_stored(api: RunningApi) -> None:
    await api.client.create({"Idempotency-Key": "canary-key"}, name="Canary")
    query = "SELECT * FROM events.idempotency_keys WHERE merchant_id = $1"
    (row,) = await api.operator.select(query, api.merchant_id)
    assert "anary" not in repr(dict(row))
    assert len(row["key"]) == len(row["fingerprint"]) == 32


async def test_what_is_stored_confirms_no_guess_about_who_was_erased(api: RunningApi) -> None:
    customer_id = (await api.client.create({"Idempotency-Key": JOHN["email"]})).json()["id"]
    eraser = await api.client_with(frozenset({"erase"}))
    assert (await eraser.request("POST", f"/v1/customers/{customer_id}/erase")).status == 200
    query = "SELECT key, fingerprint FROM events.idempotency_keys WHERE customer_id = $1"
    (row,) = await api.operator.select(query, customer_id)
    key = sha256(JOHN["email"].encode())
    assert row["key"] != key.digest()
    assert row["fingerprint"] != sha256(canonical(["POST", "/v1/customers", [], JOHN])).digest()
    created, _ = await api.operator.metadata(customer_id)
    assert created["idempotencyKeyHash"] == row["key"].hex()[:16] != key.hexdigest()[:16]
