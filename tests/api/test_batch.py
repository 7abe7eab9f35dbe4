"""POST /v1/customers/batch: many creates, each of which succeeds or fails by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.api import JOHN, Answer, Client, Headers, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

BATCH = "/v1/customers/batch"


def person(number: int, **members: Any) -> dict[str, Any]:
    return {"email": f"{number}@example.com", "name": f"Number {number}"} | members


async def post(client: Client, items: Any, headers: Headers = (), mode: str = "") -> Answer:
    return await client.request("POST", BATCH + mode, {"customers": items}, headers)


def statuses(answer: Answer) -> list[int]:
    assert answer.status == 200, answer.body
    return [result["status"] for result in answer.json()["results"]]


async def test_every_item_is_created_and_answered_in_order(api: RunningApi) -> None:
    answer = await post(api.client, [person(n) for n in range(100)])
    assert list(answer.json()) == ["object", "results"]
    assert answer.json()["object"] == "batch"
    results = answer.json()["results"]
    assert [list(result) for result in results] == [["status", "customer"]] * 100
    assert [result["customer"]["email"] for result in results] == [f"{n}@example.com" for n in range(100)]
    assert statuses(answer) == [201] * 100
    for result in (results[0], results[99]):
        assert (await api.client.get(result["customer"]["id"])).json() == result["customer"]
    assert (await api.stored())["customer_events"] == 100


async def test_an_item_fails_alone_with_what_post_would_have_answered(api: RunningApi) -> None:
    await api.client.created()
    items = [person(1), JOHN, {"name": "x"}, person(2, id="cus_1"), 7, None, person(3)]
    answer = await post(api.client, items)
    assert statuses(answer) == [201, 409, 400, 400, 400, 400, 201]
    errors = [result["error"] for result in answer.json()["results"] if "error" in result]
    single = (await api.client.create()).json()
    assert errors[0] == single | {"requestId": answer.headers["X-Request-Id"]}
    assert [error["code"] for error in errors] == ["duplicate_email"] + ["invalid_request"] * 4
    assert [error.get("param") for error in errors] == ["email", "email", "id", None, None]
    assert (await api.stored())["customer_events"] == 3


async def test_of_two_items_with_one_email_the_first_gets_it(client: Client) -> None:
    answer = await post(client, [person(1), person(1, email="1@EXAMPLE.com", name="Later"), person(2)])
    assert statuses(answer) == [201, 409, 201]
    assert answer.json()["results"][0]["customer"]["name"] == "Number 1"


async def test_on_duplicate_applies_to_each_item(client: Client) -> None:
    existing = await client.created(**person(1))
    answer = await post(
        client, [person(1, name="New"), person(2), person(2, name="Two")], (), "?onDuplicate=update"
    )
    assert statuses(answer) == [200, 201, 200]
    customers = [result["customer"] for result in answer.json()["results"]]
    assert (customers[0]["id"], customers[0]["name"]) == (existing["id"], "New")
    assert (customers[2]["id"], customers[2]["name"]) == (customers[1]["id"], "Two")
    found = await post(client, [person(1), person(3)], (), "?onDuplicate=return")
    assert statuses(found) == [200, 201]
    assert found.json()["results"][0]["customer"] == customers[0]


async def test_a_key_stands_for_one_key_an_item_and_failed_items_run_again(api: RunningApi) -> None:
    holder = await api.client.created(**person(1))
    items = [person(0), person(1), person(2)]
    first = await post(api.client, items, {"Idempotency-Key": "k"})
    assert statuses(first) == [201, 409, 201]
    await api.client.delete(holder["id"])
    again = await post(api.client, items, {"Idempotency-Key": '"k"'})
    assert statuses(again) == [201, 201, 201]
    before, after = first.json()["results"], again.json()["results"]
    assert [result.get("replayed") for result in after] == [True, None, True]
    assert [after[n]["customer"] for n in (0, 2)] == [before[n]["customer"] for n in (0, 2)]
    assert (await api.stored())["idempotency_keys"] == 3


async def test_a_key_with_other_items_is_refused_item_by_item(client: Client) -> None:
    await post(client, [person(0), person(1)], {"Idempotency-Key": "k"})
    again = await post(client, [person(0), person(2)], {"Idempotency-Key": "k"})
    assert statuses(again) == [201, 422]
    assert again.json()["results"][1]["error"]["code"] == "idempotency_key_reused"


async def test_an_item_may_carry_its_own_key_wherever_it_stands(api: RunningApi) -> None:
    mine = person(1, idempotencyKey="order-1")
    first = await post(api.client, [person(0), mine])
    moved = await post(api.client, [mine, person(5)], {"Idempotency-Key": "other"})
    assert statuses(moved) == [201, 201]
    assert moved.json()["results"][0] == first.json()["results"][1] | {"replayed": True}
    assert "idempotencyKey" not in moved.json()["results"][0]["customer"]
    assert (await api.stored())["idempotency_keys"] == 2


async def test_one_key_twice_in_a_batch_is_one_create(api: RunningApi) -> None:
    twin = person(1, idempotencyKey="order-1")
    answer = await post(api.client, [twin, twin])
    assert statuses(answer) == [201, 201]
    first, second = answer.json()["results"]
    assert second["customer"] == first["customer"]
    assert (await api.stored())["customer_events"] == 1


@pytest.mark.parametrize(
    ("key", "code"),
    [("", "invalid_format"), ("é", "invalid_format"), ("k" * 256, "invalid_format"), (7, "wrong_type")],
)
async def test_an_items_key_must_be_a_key(api: RunningApi, key: Any, code: str) -> None:
    answer = await post(api.client, [person(1, idempotencyKey=key), person(2, idempotencyKey=None)])
    assert statuses(answer) == [400, 201]
    error = answer.json()["results"][0]["error"]
    assert [(one["param"], one["code"]) for one in error["errors"]] == [("idempotencyKey", code)]
    assert (await api.stored())["idempotency_keys"] == 0


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "customers", "required"),
        ({"customers": None}, "customers", "not_nullable"),
        ({"customers": {}}, "customers", "wrong_type"),
        ({"customers": "x"}, "customers", "wrong_type"),
        ({"customers": []}, "customers", "too_short"),
        ({"customers": [person(n) for n in range(101)]}, "customers", "too_long"),
        ({"customers": [person(1)], "merchantId": "mer_1"}, "merchantId", "unknown_member"),
    ],
)
async def test_what_is_no_batch_is_refused_as_a_whole(
    api: RunningApi, body: Any, param: str, code: str
) -> None:
    answer = await api.client.request("POST", BATCH, body)
    assert answer.refusal() == (400, "invalid_request")
    assert [(one["param"], one["code"]) for one in answer.json()["errors"]] == [(param, code)]
    assert answer.json()["message"].startswith(f"{param} ")
    assert (await api.stored())["customer_events"] == 0


async def test_a_batch_may_have_two_mebibytes_and_no_more(api: RunningApi) -> None:
    large = {f"k{n}": "x" * 500 for n in range(38)}
    items = [person(n, metadata=large) for n in range(100)]
    assert statuses(await post(api.client, items)) == [201] * 100
    padded = await api.client.request("POST", BATCH, content=b" " * (2 * 1024 * 1024 + 1))
    assert padded.refusal() == (413, "body_too_large")


async def test_a_single_create_still_takes_64_kib_alone(client: Client) -> None:
    answer = await client.request("POST", "/v1/customers", content=b" " * (64 * 1024 + 1))
    assert answer.refusal() == (413, "body_too_large")


async def test_a_customer_too_large_fails_alone(client: Client) -> None:
    answer = await post(client, [person(1, metadata={f"k{n}": "é" * 500 for n in range(40)}), person(2)])
    assert statuses(answer) == [400, 201]
    assert answer.json()["results"][0]["error"]["code"] == "customer_too_large"


async def test_batches_at_once_share_out_the_emails(api: RunningApi) -> None:
    items = [person(n) for n in range(20)]
    answers = await asyncio.gather(*(post(api.client, items) for _ in range(5)))
    made = [status for answer in answers for status in statuses(answer)]
    assert (made.count(201), made.count(409)) == (20, 80)
    assert (await api.stored())["customer_events"] == 20


async def test_batch_is_no_customers_id(client: Client) -> None:
    for method in ("GET", "PATCH", "DELETE", "PUT"):
        answer = await client.request(method, BATCH)
        assert answer.refusal() == (405, "method_not_allowed")
        assert answer.headers["Allow"] == "POST"
    assert (await client.get("batchx")).refusal() == (404, "customer_not_found")


async def test_a_key_that_only_reads_makes_no_batch(api: RunningApi) -> None:
    reader = await api.client_with(frozenset({"read"}))
    assert (await post(reader, [person(1)])).refusal() == (403, "forbidden")
