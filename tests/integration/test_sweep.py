"""The sweep: read models converge with the store, and never follow a history that the store does not have."""

from __future__ import annotations

import pytest

from events.database import Database
from projections.customers import HistoryDiverged, catch_up
from tests.support.cases import ACME, JOHN
from tests.support.databases import TestDatabase, run_sql
from tests.support.store import C1, C2, M1, Store
from tests.support.sweeping import sweep


async def test_a_sweep_applies_each_event_once(store: Store, ledgers: TestDatabase) -> None:
    await store.create(C1, JOHN)
    await store.create(C2, ACME)
    async with Database.connect(ledgers.url) as database:
        assert await sweep(database, store.master_keys) == 2
        assert await sweep(database, store.master_keys) == 0


async def test_a_projection_at_a_hash_the_ledger_never_had_applies_nothing(
    store: Store, ledgers: TestDatabase
) -> None:
    await store.create(C1, JOHN)
    async with Database.connect(ledgers.url) as database:
        assert await sweep(database, store.master_keys) == 1
        await run_sql(ledgers.admin_url, "UPDATE projections.progress SET hash = sha256('another history')")
        await store.create(C2, ACME)
        with pytest.raises(HistoryDiverged):
            await catch_up(database, M1, store.master_keys)
        assert await sweep(database, store.master_keys) == 0
