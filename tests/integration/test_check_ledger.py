"""The check of the invariants that other tests rely on can fail: each forgery turns it red."""

from __future__ import annotations

import pytest

from tests.support.databases import TestDatabase
from tests.support.ledger import check_snapshot
from tests.support.store import C1, C2, C3, M1, Appender, changing, connected, creating

FORGERIES = {
    "a changed state": "UPDATE events.customer_events SET state = 'forged' WHERE position = 2",
    "changed metadata": "UPDATE events.customer_events SET metadata = '{}' WHERE position = 2",
    "a changed hash": "UPDATE events.customer_events SET hash = sha256(hash) WHERE position = 3",
    "a lost event": "DELETE FROM events.customer_events WHERE position = 2",
    "a lost last event": "DELETE FROM events.customer_events WHERE position = 5",
    "a gap in versions": "UPDATE events.customer_events SET originator_version = 5 WHERE position = 2",
    "a head that went back": "UPDATE events.merchants SET position = position - 1",
    "an event not in the outbox": "DELETE FROM events.outbox WHERE position = 1",
    "an outbox row of no event": "INSERT INTO events.outbox VALUES (999, 'm', 1)",
    "two claims of one customer": f"INSERT INTO events.email_claims VALUES ('{M1}', 'x', '{C1}')",
    "a claim of nobody": f"INSERT INTO events.email_claims VALUES ('{M1}', 'x', 'cus_nobody')",
    "a data key destroyed without an erasure": (
        f"UPDATE events.customer_keys SET wrapped_key = NULL WHERE customer_id = '{C1}'"
    ),
    "a data key that came back": (
        "UPDATE events.customer_keys SET wrapped_key = 'restored' WHERE wrapped_key IS NULL"
    ),
    "a snapshot of an erased customer": (
        f"INSERT INTO events.customer_snapshots VALUES ('{C3}', 1, 'CustomerSnapshot', '', '{M1}')"
    ),
    "a key of no event": f"INSERT INTO events.idempotency_keys VALUES ('{M1}', '', '', '{C1}', 9, 200, 0)",
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
async def test_a_forgery_is_found(shared_ledgers: TestDatabase, forgery: str) -> None:
    async with connected(shared_ledgers.admin_url) as raw:
        await raw.execute("BEGIN; ALTER TABLE events.customer_events DISABLE TRIGGER append_only")
        await Appender(raw).append(
            creating(C1, "a@example.com"),
            changing(C1, 2),
            creating(C2, "b@example.com"),
            creating(C3, None),
            changing(C3, 2, topic="CustomerErased"),
        )
        assert await check_snapshot(raw, published=False) == {M1: 5}
        await raw.execute(forgery)
        with pytest.raises(AssertionError):
            await check_snapshot(raw, published=False)
