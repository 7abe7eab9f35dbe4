"""Revoked keys and switched-off merchants: everywhere within 30 seconds, by the authenticator's own clock."""

from __future__ import annotations

import pytest

from service.api_keys import revoke_key
from service.auth import Authenticator, Caller
from service.errors import MerchantInactive, Unauthorized
from service.merchants import deactivate_merchant
from tests.support.api import READ_WRITE, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

REVOKED_WITHIN = 30.0  # seconds, says the contract


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """One process's authenticator, and its clock."""

    def __init__(self, api: RunningApi) -> None:
        self.clock = Clock()
        self._authenticator = Authenticator(api.database, api.operator.master_keys, self.clock)

    async def enter(self, text: str) -> Caller:
        """Ask to read with this key."""
        caller = await self._authenticator.authenticate(text, lambda: None)
        caller.require("read")
        return caller


async def test_a_revoked_key_is_refused_within_30_seconds_where_it_was_just_used(api: RunningApi) -> None:
    gate = Gate(api)
    key, text = await api.operator.key(api.merchant_id, READ_WRITE)
    assert (await gate.enter(text)).key_id == key.id
    assert await revoke_key(api.operator.admin, key.id)
    gate.clock.now += REVOKED_WITHIN
    with pytest.raises(Unauthorized):
        await gate.enter(text)


async def test_using_a_revoked_key_again_and_again_does_not_keep_it_alive(api: RunningApi) -> None:
    gate = Gate(api)
    key, text = await api.operator.key(api.merchant_id, READ_WRITE)
    await gate.enter(text)
    await revoke_key(api.operator.admin, key.id)
    let_in = []
    for _ in range(int(REVOKED_WITHIN)):
        gate.clock.now += 1.0
        try:
            let_in.append(bool(await gate.enter(text)))
        except Unauthorized:
            let_in.append(False)
    assert let_in == sorted(let_in, reverse=True)
    assert not let_in[-1]


async def test_where_a_revoked_key_was_not_in_use_it_is_refused_at_once(api: RunningApi) -> None:
    key, text = await api.operator.key(api.merchant_id, READ_WRITE)
    await revoke_key(api.operator.admin, key.id)
    with pytest.raises(Unauthorized):
        await Gate(api).enter(text)
    answer = await api.client.having(text).page()
    assert answer.refusal() == (401, "unauthorized")


async def test_the_other_keys_of_the_merchant_go_on(api: RunningApi) -> None:
    key, _ = await api.operator.key(api.merchant_id, READ_WRITE)
    await revoke_key(api.operator.admin, key.id)
    assert (await Gate(api).enter(api.client.key)).merchant_id == api.merchant_id


async def test_a_deactivated_merchant_is_out_within_30_seconds(api: RunningApi) -> None:
    gate = Gate(api)
    await gate.enter(api.client.key)
    await deactivate_merchant(api.operator.admin, api.merchant_id)
    gate.clock.now += REVOKED_WITHIN
    with pytest.raises(MerchantInactive):
        await gate.enter(api.client.key)
