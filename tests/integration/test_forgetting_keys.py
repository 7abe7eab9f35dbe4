"""Idempotency keys: kept for longer than promised, by the clock that dated them, then forgotten."""

from __future__ import annotations

from service.app import forget_idempotency_keys
from tests.support.store import C1, Store, keyed

AGE = "UPDATE events.idempotency_keys SET created_at = created_at - 3600000000 * $1::bigint WHERE key = $2"
COPY = """
INSERT INTO events.idempotency_keys
SELECT merchant_id, $1, fingerprint, customer_id, version, status, created_at FROM events.idempotency_keys
"""


async def test_a_key_of_47_hours_stays_and_one_of_49_hours_goes(store: Store) -> None:
    young, old = b"y" * 32, b"o" * 32
    await store.create(C1, **keyed(young))
    await store.select(COPY, old)
    await store.select(AGE, 47, young)
    await store.select(AGE, 49, old)
    await forget_idempotency_keys(store.database)
    assert [row["key"] for row in await store.select("SELECT key FROM events.idempotency_keys")] == [young]
