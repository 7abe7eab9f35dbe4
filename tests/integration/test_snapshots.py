"""Snapshots: long histories load from one, are the same without it, and are as sealed as the events.

The history under test has 250 versions, made with a snapshot taken at every hundredth.
"""

from __future__ import annotations

import gc
import logging

import orjson
import pytest

from events.customer import Customer
from events.loading import LATEST, Wanted
from events.mapper import from_microseconds
from events.queries import LOAD_CUSTOMERS
from events.store import SNAPSHOT_EVERY, Change
from tests.support.cases import ACME, moment
from tests.support.databases import TestDatabase, run_sql
from tests.support.serve import comes_about
from tests.support.store import C1, C2, M1, M2, Store

VERSIONS = 250
DROP_ALL = "DELETE FROM events.customer_snapshots"


async def live_until(store: Store, version: int, customer_id: str = C1, merchant_id: str = M1) -> Customer:
    """A customer that is named anew until this version; `Name 7` is its name as of version 7."""
    customer, _ = await store.create(customer_id, ACME | {"name": "Name 1"}, merchant_id)
    data_key = (await store.load(customer_id, merchant_id)).data_key
    while customer.version < version:
        following = customer.version + 1
        customer.update(customer.values | {"name": f"Name {following}"}, moment(following))
        outcome = await store.events.append(Change(customer, data_key, b"{}", 200))
        assert outcome.kind == "appended"
    return customer


async def snapshot_versions(store: Store) -> list[int]:
    rows = await store.select("SELECT originator_version FROM events.customer_snapshots ORDER BY 1")
    return [row["originator_version"] for row in rows]


async def snapshots_are(store: Store, *versions: int) -> None:
    async def is_so() -> bool:
        return await snapshot_versions(store) == [*versions]

    await comes_about(is_so, what=f"snapshots at {versions} and no other")


async def rows_read(store: Store, last_version: int = LATEST) -> list[int]:
    """The versions of the events that loading the customer reads."""
    wanted = Wanted(M1, C1, None, last_version)
    rows = await store.database.fetch(LOAD_CUSTOMERS, *[[column] for column in wanted])
    return [row["originator_version"] for row in rows]


async def times(store: Store, version: int) -> list[object]:
    """When the ledger says that the customer was created, and came to this version."""
    rows = await store.select(
        "SELECT recorded_at FROM events.customer_events WHERE originator_version IN (1, $1) ORDER BY 1",
        version,
    )
    return [from_microseconds(rows[0]["recorded_at"]), from_microseconds(rows[-1]["recorded_at"])]


async def test_a_long_history_is_read_from_its_last_snapshot_on(store: Store) -> None:
    await live_until(store, VERSIONS)
    await snapshots_are(store, 100, 200)
    assert await rows_read(store) == list(range(201, VERSIONS + 1))


async def test_a_long_history_loads_as_it_was_written_with_its_snapshot_and_without(store: Store) -> None:
    written = await live_until(store, VERSIONS)
    await snapshots_are(store, 100, 200)
    with_snapshot = (await store.load(C1)).customer
    await store.select(DROP_ALL)
    without = (await store.load(C1)).customer
    for loaded in (with_snapshot, without):
        assert loaded is not None
        assert (loaded.id, loaded.merchant_id, loaded.version) == (C1, M1, VERSIONS)
        assert loaded.values == written.values == ACME | {"name": f"Name {VERSIONS}"}
        assert [loaded.created_on, loaded.modified_on] == await times(store, VERSIONS)
        assert not loaded.deleted
    assert with_snapshot == without


async def test_any_version_loads_as_it_was_then(store: Store) -> None:
    await live_until(store, VERSIONS)
    await snapshots_are(store, 100, 200)
    for version in (1, 99, 100, 101, 199, 200, 201, VERSIONS):
        loaded = (await store.load(C1, last_version=version)).customer
        assert loaded is not None
        assert loaded.version == version
        assert loaded.values == ACME | {"name": f"Name {version}"}
        assert [loaded.created_on, loaded.modified_on] == await times(store, version)


async def test_before_its_first_version_there_was_no_customer(store: Store) -> None:
    await store.create(C1)
    assert (await store.load(C1, last_version=0)).customer is None


async def test_a_snapshot_serves_versions_from_its_own_on_only(store: Store) -> None:
    await live_until(store, 120)
    await snapshots_are(store, 100)
    assert await rows_read(store, 99) == list(range(1, 100))
    assert await rows_read(store, 100) == [None]
    assert await rows_read(store, 101) == [101]


async def test_a_snapshot_of_a_deleted_customer_is_a_deleted_customer(store: Store) -> None:
    customer = await live_until(store, SNAPSHOT_EVERY - 1)
    outcome = await store.delete(C1)
    assert outcome.version == SNAPSHOT_EVERY
    await snapshots_are(store, SNAPSHOT_EVERY)
    loaded = (await store.load(C1)).customer
    assert loaded is not None
    assert loaded.deleted
    assert loaded.version == SNAPSHOT_EVERY
    assert loaded.values == customer.values


async def test_a_snapshot_is_sealed_as_the_events_are(store: Store) -> None:
    await live_until(store, SNAPSHOT_EVERY)
    await snapshots_are(store, SNAPSHOT_EVERY)
    (row,) = await store.select("SELECT * FROM events.customer_snapshots")
    state = orjson.loads(row["state"])
    sealed = state.pop("personal")["_data_"]
    assert set(sealed) == {"merchant_id", "customer_id", "version", "blob"}
    assert set(state) == {"timestamp", "created_on", "merchant_id", "deleted"}
    data_key = (await store.load(C1)).data_key
    assert data_key is not None
    assert data_key.open(**sealed).values == ACME | {"name": f"Name {SNAPSHOT_EVERY}"}


async def test_a_snapshot_of_another_merchants_customer_is_not_taken_for_ones_own(store: Store) -> None:
    await live_until(store, SNAPSHOT_EVERY, merchant_id=M2)
    await snapshots_are(store, SNAPSHOT_EVERY)
    await store.create(C1)
    loaded = (await store.load(C1)).customer
    assert loaded is not None
    assert (loaded.merchant_id, loaded.version) == (M1, 1)
    assert await rows_read(store) == [1]


async def test_a_snapshot_that_cannot_be_kept_harms_nothing(
    store: Store, database: TestDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    await run_sql(database.admin_url, "REVOKE INSERT ON events.customer_snapshots FROM customers_app")
    caplog.set_level(logging.ERROR)
    await live_until(store, SNAPSHOT_EVERY + 1)
    await store.create(C2, ACME | {"email": "other@example.com"})
    await comes_about(lambda: no_snapshot_under_way(store), what="the end of the attempt")
    assert await snapshot_versions(store) == []
    loaded = (await store.load(C1)).customer
    assert loaded is not None
    assert loaded.version == SNAPSHOT_EVERY + 1
    gc.collect()
    assert caplog.records == []


async def no_snapshot_under_way(store: Store) -> bool:
    return not store.events._snapshots
