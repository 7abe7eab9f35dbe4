"""POST /v1/customers?onDuplicate=return|update: get-or-create and upsert, atomic and safe to repeat."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from tests.support.api import JOHN, Answer, Client, Headers, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGAIN = {"email": "JOHN@Example.com", "name": "Johnny", "phone": "+1", "metadata": {"tier": "gold"}}


async def post(client: Client, mode: str, body: Any, headers: Headers = ()) -> Answer:
    return await client.request("POST", f"/v1/customers?onDuplicate={mode}", body, headers)


@pytest.mark.parametrize("mode", ["return", "update"])
async def test_a_free_email_makes_a_customer(client: Client, mode: str) -> None:
    answer = await post(client, mode, JOHN)
    assert (answer.status, answer.version) == (201, 1)
    assert answer.headers["Location"] == f"/v1/customers/{answer.json()['id']}"


async def test_return_answers_the_customer_that_has_the_email_as_it_is(api: RunningApi) -> None:
    existing = await api.client.created(phone="+123")
    stored = await api.stored()
    answer = await post(api.client, "return", AGAIN)
    assert (answer.status, answer.json(), answer.version) == (200, existing, 1)
    assert "Location" not in answer.headers
    assert await api.stored() == stored


async def test_update_merges_the_body_as_patch_would_and_spells_the_email_anew(client: Client) -> None:
    existing = await client.created(phone="+123", companyName="Acme", metadata={"source": "web"})
    answer = await post(client, "update", AGAIN | {"companyName": None})
    assert (answer.status, answer.version) == (200, 2)
    merged = {**AGAIN, "companyName": None, "metadata": {"source": "web", "tier": "gold"}}
    assert answer.json() == existing | merged | {"updated": answer.json()["updated"]}
    assert (await client.get(existing["id"])).json() == answer.json()


async def test_update_to_what_is_there_already_writes_nothing(api: RunningApi) -> None:
    existing = await api.client.created()
    stored = await api.stored()
    answer = await post(api.client, "update", JOHN)
    assert (answer.status, answer.json(), answer.version) == (200, existing, 1)
    assert await api.stored() == stored


@pytest.mark.parametrize("mode", ["return", "update"])
async def test_a_retry_is_answered_as_the_first_was_whatever_happened_since(
    api: RunningApi, mode: str
) -> None:
    existing = await api.client.created()
    first = await post(api.client, mode, AGAIN, {"Idempotency-Key": "k"})
    assert first.status == 200
    await api.client.patch(existing["id"], name="Later")
    stored = await api.stored()
    again = await post(api.client, mode, AGAIN, {"Idempotency-Key": "k"})
    assert (again.status, again.body) == (200, first.body)
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    await api.client.delete(existing["id"])
    assert (await post(api.client, mode, AGAIN, {"Idempotency-Key": "k"})).body == first.body
    assert (await api.stored())["idempotency_keys"] == stored["idempotency_keys"] == 1


async def test_a_retry_of_a_create_stays_a_201(client: Client) -> None:
    first = await post(client, "update", JOHN, {"Idempotency-Key": "k"})
    again = await post(client, "update", JOHN, {"Idempotency-Key": "k"})
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_the_mode_is_part_of_what_a_key_stands_for(client: Client) -> None:
    await client.create({"Idempotency-Key": "k"})
    answer = await post(client, "return", JOHN, {"Idempotency-Key": "k"})
    assert answer.refusal() == (422, "idempotency_key_reused")


@pytest.mark.parametrize("mode", ["return", "update"])
async def test_an_email_that_was_freed_makes_a_new_customer(client: Client, mode: str) -> None:
    deleted, moved = await client.created(), await client.created(email="moved@example.com")
    await client.delete(deleted["id"])
    await client.patch(moved["id"], email="elsewhere@example.com")
    answers = [await post(client, mode, JOHN | {"email": email}) for email in (JOHN["email"], moved["email"])]
    assert [answer.status for answer in answers] == [201, 201]
    assert not {answer.json()["id"] for answer in answers} & {deleted["id"], moved["id"]}


async def test_another_merchants_customer_is_no_duplicate(api: RunningApi) -> None:
    other = await api.of_new_merchant()
    foreign = await other.client.created(phone="+49")
    for mode in ("return", "update"):
        answer = await post(api.client, mode, JOHN | {"email": f"{mode}@example.com"})
        assert answer.status == 201
        assert (await post(api.client, mode, JOHN)).json()["id"] != foreign["id"]
    assert (await other.client.get(foreign["id"])).json() == foreign


@pytest.mark.parametrize("mode", ["return", "update"])
async def test_of_many_at_once_one_makes_the_customer_and_the_others_find_it(
    api: RunningApi, mode: str
) -> None:
    bodies = [{"email": "one@example.com", "name": f"Number {n}"} for n in range(40)]
    answers = await asyncio.gather(*(post(api.client, mode, body) for body in bodies))
    assert Counter(answer.status for answer in answers) == {201: 1, 200: 39}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await api.stored())["customer_events"] == (1 if mode == "return" else 40)


@pytest.mark.parametrize("mode", ["return", "update"])
async def test_beside_deletes_of_the_same_customer_it_always_ends_well(api: RunningApi, mode: str) -> None:
    existing = await api.client.created()
    results = await asyncio.gather(
        *(post(api.client, mode, JOHN | {"name": f"N{n}"}) for n in range(20)),
        api.client.delete(existing["id"]),
    )
    assert {answer.status for answer in results} <= {200, 201}
    assert len(await api.client.ids(email=JOHN["email"])) <= 1


async def test_an_update_that_would_be_too_large_is_refused_and_changes_nothing(api: RunningApi) -> None:
    existing = await api.client.created(metadata={f"a{n}": "é" * 500 for n in range(16)})
    stored = await api.stored()
    answer = await post(api.client, "update", JOHN | {"metadata": {f"b{n}": "é" * 500 for n in range(20)}})
    assert answer.refusal() == (400, "customer_too_large")
    assert await api.stored() == stored
    assert (await api.client.get(existing["id"])).version == 1


@pytest.mark.parametrize("mode", ["", "replace", "Return", "update "])
async def test_any_other_mode_is_refused_by_name(client: Client, mode: str) -> None:
    answer = await post(client, mode.replace(" ", "%20"), JOHN)
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == "onDuplicate"
    assert answer.json()["message"] == "onDuplicate must be 'return' or 'update'"
