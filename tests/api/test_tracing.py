"""What is recorded of a request with the event it made: who, and which request; nothing personal."""

from __future__ import annotations

import pytest

from service.idempotency import Digests
from tests.support.api import Answer, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def recorded(api: RunningApi, answer: Answer) -> dict[str, str]:
    """The metadata of the customer's last event."""
    metadata: dict[str, str] = (await api.operator.metadata(answer.json()["id"]))[-1]
    return metadata


async def test_actor_request_and_command_are_recorded(api: RunningApi) -> None:
    key, text = await api.operator.key(api.merchant_id)
    answer = await api.client.having(text).create()
    metadata = await recorded(api, answer)
    assert metadata["actor"] == key.id
    assert metadata["requestId"] == answer.headers["X-Request-Id"]
    assert metadata["commandId"].startswith("cmd_")
    assert set(metadata) == {"actor", "requestId", "commandId"}


@pytest.mark.parametrize("correlation_id", ["a", "Order-17_x.y", "x" * 64])
async def test_a_correlation_id_is_taken_over(api: RunningApi, correlation_id: str) -> None:
    customer_id = (await api.client.created())["id"]
    headers = {"X-Correlation-Id": correlation_id}
    patched = await api.client.patch(customer_id, headers, name="Jo")
    assert (await recorded(api, patched))["correlationId"] == correlation_id
    deleted = await api.client.delete(customer_id, headers)
    assert (await recorded(api, deleted))["correlationId"] == correlation_id


@pytest.mark.parametrize("correlation_id", ["", "x" * 65, "john@example.com", "a b", "ä", '"a"', "a,b"])
async def test_a_correlation_id_out_of_form_never_reaches_the_metadata(
    api: RunningApi, correlation_id: str
) -> None:
    answer = await api.client.create({"X-Correlation-Id": correlation_id})
    assert answer.status in {201, 400}
    for row in await api.operator.select(
        "SELECT metadata FROM events.customer_events WHERE merchant_id = $1", api.merchant_id
    ):
        assert b"correlationId" not in row["metadata"]


async def test_a_traceparent_is_taken_over(api: RunningApi) -> None:
    answer = await api.client.create({"traceparent": TRACEPARENT})
    assert (await recorded(api, answer))["traceparent"] == TRACEPARENT


@pytest.mark.parametrize(
    "traceparent", ["", "00-abc", TRACEPARENT.upper(), TRACEPARENT + "-john@example.com"]
)
async def test_a_malformed_traceparent_is_left_out(api: RunningApi, traceparent: str) -> None:
    answer = await api.client.create({"traceparent": traceparent})
    assert answer.status == 201
    assert "traceparent" not in await recorded(api, answer)


async def test_an_idempotency_key_is_recorded_as_a_hash_only(api: RunningApi) -> None:
    answer = await api.client.create({"Idempotency-Key": "order john@example.com"})
    metadata = await recorded(api, answer)
    (name,) = set(metadata) - {"actor", "requestId", "commandId"}
    digest = Digests(api.operator.master_keys).of_key("order john@example.com")
    assert metadata[name] == digest.hex()[:16]
