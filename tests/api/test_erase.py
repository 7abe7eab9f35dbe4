"""POST /v1/customers/{id}/erase: the person is forgotten for good, and a certificate says so."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from events.erasure import KIND
from events.ledger import first_hash, next_hash
from events.signing import is_signed, public_keys
from tests.support.api import JOHN, Answer, Client, RunningApi
from tests.support.ledger import leaf_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

ERASE = frozenset({"erase"})
MEMBERS = [
    "object",
    "merchantId",
    "customerId",
    "erasedAt",
    "actor",
    "requestId",
    "version",
    "position",
    "hash",
    "publicKey",
    "signature",
]


@pytest_asyncio.fixture(loop_scope="session")
async def eraser(api: RunningApi) -> Client:
    """A client of the test's merchant that erases and nothing else."""
    return await api.client_with(ERASE)


async def erase(client: Client, customer_id: str, key: str | None = None) -> Answer:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.request("POST", f"/v1/customers/{customer_id}/erase", headers=headers)


async def test_it_answers_with_a_signed_certificate_of_the_event_in_the_ledger(
    api: RunningApi, eraser: Client
) -> None:
    customer_id = (await api.client.created())["id"]
    answer = await erase(eraser, customer_id)
    assert answer.status == 200
    told = answer.json()
    assert list(told) == MEMBERS
    assert is_signed(KIND, told, public_keys(api.operator.master_keys))
    events = await api.operator.select(
        "SELECT * FROM events.customer_events WHERE merchant_id = $1 ORDER BY position", api.merchant_id
    )
    assert [event["topic"] for event in events] == ["CustomerCreated", "CustomerErased"]
    digest = next_hash(first_hash(api.merchant_id), leaf_of(events[0]))
    assert told["hash"] == next_hash(digest, leaf_of(events[1])).hex()
    assert (told["object"], told["merchantId"], told["customerId"]) == (
        "erasure_certificate",
        api.merchant_id,
        customer_id,
    )
    assert (told["version"], told["position"]) == (2, 2)
    assert told["actor"] == (await api.operator.metadata(customer_id))[1]["actor"]
    assert told["requestId"] == answer.headers["X-Request-Id"]
    assert len(told["erasedAt"]) == len("2026-11-22T10:37:53.586050Z")


async def test_a_repetition_answers_the_same_bytes_and_writes_nothing(
    api: RunningApi, eraser: Client
) -> None:
    customer_id = (await api.client.created())["id"]
    first = await erase(eraser, customer_id)
    stored = await api.stored()
    second = await erase(eraser, customer_id)
    assert (second.status, second.body) == (200, first.body)
    assert await api.stored() == stored


async def test_a_signature_under_another_kind_or_of_a_changed_statement_is_none(
    api: RunningApi, eraser: Client
) -> None:
    told = (await erase(eraser, (await api.client.created())["id"])).json()
    keys = public_keys(api.operator.master_keys)
    assert not is_signed("checkpoint", told, keys)
    assert not is_signed(KIND, told | {"erasedAt": "2026-11-22T10:37:53.586050Z"}, keys)


async def test_the_same_key_answers_the_certificate_again_and_another_request_s_key_is_refused(
    api: RunningApi, eraser: Client
) -> None:
    customer_id = (await api.client.created())["id"]
    first = await erase(eraser, customer_id, "k")
    assert "Idempotent-Replayed" not in first.headers
    again = await erase(eraser, customer_id, "k")
    assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")
    later = await erase(eraser, customer_id, "another")
    assert (later.body, "Idempotent-Replayed" in later.headers) == (first.body, False)
    other = (await api.client.created())["id"]
    assert (await erase(eraser, other, "k")).refusal() == (422, "idempotency_key_reused")
    assert (await api.client.get(other)).json()["email"] == JOHN["email"]


async def test_the_customer_is_a_tombstone_from_then_on(api: RunningApi, eraser: Client) -> None:
    client = api.client
    customer_id = (await client.created())["id"]
    await client.patch(customer_id, name="Jo")
    await erase(eraser, customer_id)
    tombstone = {"id": customer_id, "object": "customer", "deleted": True}
    for swept in (False, True):
        if swept:
            await api.sweep()
        read = await client.get(customer_id)
        assert (read.json(), read.version) == (tombstone, 3)
        assert await client.ids() == []
        assert await client.ids(email=JOHN["email"]) == []
    assert (await client.patch(customer_id, name="Back")).refusal() == (404, "customer_not_found")
    for headers in ({}, {"Idempotency-Key": "delete"}, {"Idempotency-Key": "delete"}):
        gone = await client.delete(customer_id, headers)
        assert (gone.status, gone.json(), gone.version) == (200, tombstone, 3)


async def test_the_row_is_a_tombstone_in_the_same_transaction_however_far_the_read_model_is(
    api: RunningApi, eraser: Client
) -> None:
    swept = (await api.client.created())["id"]
    await api.sweep()
    fresh = (await api.client.created(email="jane@example.com"))["id"]
    for customer_id in (swept, fresh):
        await erase(eraser, customer_id)
        rows = await api.operator.select(
            "SELECT version, deleted, body FROM projections.customers WHERE customer_id = $1", customer_id
        )
        assert [(row["version"], row["deleted"]) for row in rows] == [(2, True)]
        assert b"example.com" not in rows[0]["body"]


@pytest.mark.parametrize("state", ["live", "deleted"])
async def test_the_data_key_the_claim_and_the_snapshots_are_gone_and_the_key_s_row_tells_why(
    api: RunningApi, eraser: Client, state: str
) -> None:
    customer_id = (await api.client.created())["id"]
    if state == "deleted":
        await api.client.delete(customer_id)
    assert (await erase(eraser, customer_id)).status == 200
    keys = await api.operator.select(
        "SELECT wrapped_key FROM events.customer_keys WHERE customer_id = $1", customer_id
    )
    assert [row["wrapped_key"] for row in keys] == [None]
    assert (await api.stored())["email_claims"] == 0


async def test_the_email_is_free_also_for_get_or_create(api: RunningApi, eraser: Client) -> None:
    erased = (await api.client.created())["id"]
    await erase(eraser, erased)
    made = await api.client.request("POST", "/v1/customers?onDuplicate=return", JOHN)
    assert made.status == 201
    assert made.json()["id"] != erased


async def test_erasing_a_deleted_customer_leaves_the_one_that_has_its_email_now(
    api: RunningApi, eraser: Client
) -> None:
    first = (await api.client.created())["id"]
    await api.client.delete(first)
    second = (await api.client.created())["id"]
    assert (await erase(eraser, first)).json()["version"] == 3
    assert await api.client.ids(email=JOHN["email"]) == [second]


async def test_what_was_answered_before_is_gone_and_what_was_answered_since_is_not(
    api: RunningApi, eraser: Client
) -> None:
    client = api.client
    customer_id = (await client.create({"Idempotency-Key": "create"})).json()["id"]
    await client.patch(customer_id, {"Idempotency-Key": "patch"}, name="Jo")
    await client.delete(customer_id, {"Idempotency-Key": "delete"})
    await erase(eraser, customer_id)
    gone = (410, "customer_erased")
    assert (await client.create({"Idempotency-Key": "create"})).refusal() == gone
    assert (await client.patch(customer_id, {"Idempotency-Key": "patch"}, name="Jo")).refusal() == gone
    assert (await client.delete(customer_id, {"Idempotency-Key": "delete"})).refusal() == gone
    since = await client.delete(customer_id, {"Idempotency-Key": "since"})
    again = await client.delete(customer_id, {"Idempotency-Key": "since"})
    assert (again.status, again.body) == (since.status, since.body) == (200, since.body)


async def test_it_needs_its_own_scope(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    assert (await erase(api.client, customer_id)).refusal() == (403, "forbidden")
    assert (await api.client.get(customer_id)).version == 1


@pytest.mark.parametrize("customer_id", ["cus_01jd4q8w9zexampxexampxe000", "cus_1", "nobody"])
async def test_an_unknown_or_malformed_id_is_404(eraser: Client, customer_id: str) -> None:
    assert (await erase(eraser, customer_id)).refusal() == (404, "customer_not_found")


async def test_a_body_and_parameters_are_refused(api: RunningApi, eraser: Client) -> None:
    customer_id = (await api.client.created())["id"]
    path = f"/v1/customers/{customer_id}/erase"
    assert (await eraser.request("POST", path, {"why": "asked"})).refusal() == (400, "invalid_request")
    assert (await eraser.request("POST", f"{path}?now=1")).refusal() == (400, "unknown_parameter")
    assert (await api.client.get(customer_id)).version == 1


async def test_many_at_once_erase_once_and_all_get_the_certificate(api: RunningApi, eraser: Client) -> None:
    customer_id = (await api.client.created())["id"]
    changes = [api.client.patch(customer_id, name=f"Jo {number}") for number in range(10)]
    answers = await asyncio.gather(*(erase(eraser, customer_id) for _ in range(10)), *changes)
    assert {answer.status for answer in answers[:10]} == {200}
    assert len({answer.body for answer in answers[:10]}) == 1
    assert {answer.status for answer in answers[10:]} <= {200, 404}
    topics = await api.operator.select(
        "SELECT topic FROM events.customer_events WHERE originator_id = $1 ORDER BY position", customer_id
    )
    assert [row["topic"] for row in topics].count("CustomerErased") == 1
    assert topics[-1]["topic"] == "CustomerErased"


DAMAGE = {
    "the data key is altered": "UPDATE events.customer_keys SET wrapped_key = '\\x00' || wrapped_key",
    "the data key is another customer's": (
        "UPDATE events.customer_keys SET wrapped_key = "
        "(SELECT max(o.wrapped_key) FROM events.customer_keys AS o WHERE o.customer_id <> $1)"
    ),
    "the data key is lost": "DELETE FROM events.customer_keys",
    "its snapshot is of no kind that is known": (
        "INSERT INTO events.customer_snapshots SELECT customer_id, 1, 'CustomerGuess', '{}', merchant_id "
        "FROM events.customer_keys"
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
async def test_a_customer_that_cannot_be_opened_is_erased_like_any_other(
    api: RunningApi, eraser: Client, damage: str
) -> None:
    await api.client.created(email="another@example.com")
    customer_id = (await api.client.created())["id"]
    await api.sweep()
    await api.operator.select(f"{damage} WHERE customer_id = $1", customer_id)
    first = await erase(eraser, customer_id, "k")
    assert (first.status, first.json()["version"]) == (200, 2)
    assert (await erase(eraser, customer_id, "k")).body == first.body
    assert (await erase(eraser, customer_id)).body == first.body
    assert (await api.client.get(customer_id)).json()["deleted"]
    assert (await api.client.patch(customer_id, name="Back")).refusal() == (404, "customer_not_found")
    assert (await api.client.create()).status == 201  # the email is free
    keys = await api.operator.select(
        "SELECT wrapped_key FROM events.customer_keys WHERE customer_id = $1", customer_id
    )
    assert [row["wrapped_key"] for row in keys] == [None]


async def test_a_deleted_customer_that_cannot_be_opened_leaves_the_one_that_has_its_email_now(
    api: RunningApi, eraser: Client
) -> None:
    first = (await api.client.created())["id"]
    await api.client.delete(first)
    second = (await api.client.created())["id"]
    await api.operator.select("DELETE FROM events.customer_keys WHERE customer_id = $1", first)
    assert (await erase(eraser, first)).json()["version"] == 3
    assert await api.client.ids(email=JOHN["email"]) == [second]
