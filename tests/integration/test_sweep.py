"""The sweep: read models converge with the store, and never follow a history that the store does not have."""

from __future__ import annotations

import pytest

import projections.sweep
from events.database import Database
from projections.customers import HistoryDiverged, catch_up
from projections.sweep import Sweep
from tests.support.cases import ACME, JOHN
from tests.support.databases import TestDatabase, run_sql
from tests.support.store import C1, C2, M1, M2, M3, Store, connected
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


async def test_a_patient_sweep_leaves_a_merchant_to_its_messages_until_they_fail_to_come(
    store: Store, ledgers: TestDatabase
) -> None:
    await store.create(C1, JOHN)
    async with Database.connect(ledgers.url) as database:
        patient = Sweep(database, store.master_keys, patient=True)
        assert await patient.round() == 0
        assert await patient.round() == 1
        await store.create(C2, ACME)
        assert await patient.round() == 0
        assert await patient.round() == 1


async def test_a_merchant_whose_progress_is_locked_keeps_nobody_waiting(
    store: Store, ledgers: TestDatabase
) -> None:
    await store.create(C1, JOHN)
    await store.create(C1, JOHN, M2)
    async with Database.connect(ledgers.url) as database, connected(ledgers.url) as holder:
        assert await sweep(database, store.master_keys) == 2
        await store.update(C1, name="Jo")
        await store.update(C1, M2, name="Jo")
        async with holder.transaction():
            await holder.execute(f"SELECT FROM projections.progress WHERE merchant_id = '{M1}' FOR UPDATE")
            assert await sweep(database, store.master_keys) == 1
    async with Database.connect(ledgers.url) as database:
        assert await sweep(database, store.master_keys) == 1


async def test_every_merchant_has_its_turn_however_many_there_are(
    store: Store, ledgers: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projections.sweep, "MERCHANTS", 1)
    for merchant_id in (M1, M2, M3):
        await store.create(C1, JOHN, merchant_id)
    async with Database.connect(ledgers.url) as database:
        assert await sweep(database, store.master_keys) == 3
