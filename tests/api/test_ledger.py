"""GET /v1/ledger: the head, the last checkpoint and the key, for keys with the scope `audit`."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from events.ledger import first_hash
from events.proof.checkpoint import read_checkpoint
from events.proof.checkpointing import sign_ledger
from events.signing import public_key, write_public_key
from tests.support.api import RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUDIT = frozenset(["audit"])


async def ledger(api: RunningApi) -> Any:
    answer = await (await api.client_with(AUDIT)).request("GET", "/v1/ledger")
    assert answer.status == 200, answer.body
    return answer.json()


async def test_a_ledger_without_events_is_at_its_beginning(api: RunningApi) -> None:
    assert await ledger(api) == {
        "object": "ledger",
        "merchantId": api.merchant_id,
        "epoch": 1,
        "position": 0,
        "hash": first_hash(api.merchant_id).hex(),
        "recordedAt": 0,
        "checkpoint": None,
        "publicKey": write_public_key(public_key(api.operator.master_keys, 1)),
    }


async def test_it_shows_the_head_and_what_was_signed_last(api: RunningApi) -> None:
    created = await api.client.created()
    signed = await sign_ledger(api.database, api.merchant_id, api.operator.master_keys)
    assert signed is not None
    await api.client.delete(created["id"])
    shown = await ledger(api)
    rows = await api.operator.select("SELECT * FROM events.merchants WHERE id = $1", api.merchant_id)
    assert (shown["position"], shown["hash"]) == (2, rows[0]["hash"].hex())
    assert shown["recordedAt"] == rows[0]["recorded_at"]
    checkpoint = read_checkpoint(orjson.dumps(shown["checkpoint"]))
    assert checkpoint == signed.checkpoint
    assert checkpoint.is_genuine()
    assert checkpoint.statement.position == 1
    assert shown["publicKey"] == shown["checkpoint"]["publicKey"]


async def test_the_key_it_shows_is_the_one_that_signs_certificates_of_erasure(api: RunningApi) -> None:
    created = await api.client.created()
    eraser = await api.client_with(frozenset(["erase"]))
    certificate = (await eraser.request("POST", f"/v1/customers/{created['id']}/erase")).json()
    assert (await ledger(api))["publicKey"] == certificate["publicKey"]


async def test_a_merchant_sees_its_own_ledger_alone(api: RunningApi) -> None:
    other = await api.of_new_merchant()
    await other.client.created()
    await sign_ledger(api.database, other.merchant_id, api.operator.master_keys)
    mine, theirs = await ledger(api), await ledger(other)
    assert (mine["merchantId"], mine["position"], mine["checkpoint"]) == (api.merchant_id, 0, None)
    assert theirs["merchantId"] == theirs["checkpoint"]["merchantId"] == other.merchant_id


async def test_it_needs_the_scope_audit_and_takes_no_parameters(api: RunningApi) -> None:
    answer = await api.client.request("GET", "/v1/ledger")
    assert answer.refusal() == (403, "forbidden")
    auditor = await api.client_with(AUDIT)
    assert (await auditor.request("GET", "/v1/ledger?x=1")).refusal() == (400, "unknown_parameter")
    assert (await auditor.request("GET", "/v1/customers")).refusal() == (403, "forbidden")
    assert (await auditor.request("POST", "/v1/ledger")).refusal() == (405, "method_not_allowed")
