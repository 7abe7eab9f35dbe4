"""`customers rebuild`: read models made anew under traffic, without anyone seeing a half of one (F39)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from events.customer_key import CustomerKey
from events.database import Database
from events.errors import StoreBusy
from events.statements import Statement
from projections.customer_reader import CustomerReader
from projections.parking import list_parked
from projections.queries import BEGIN_REBUILD, MAKE_SHADOW
from projections.rebuild.rebuild_customers import rebuild_customers
from projections.rebuild.shadows import RebuildRefused, Shadows, drop_abandoned_shadows, shadows_of
from service.audit.erasing import Eraser, Request
from tests.support.cases import ACME, JOHN
from tests.support.databases import run_sql
from tests.support.read_models import check_read_model, read_model
from tests.support.serve import comes_about
from tests.support.store import C1, C2, M1, M2, Store, connected, customer_id
from tests.support.sweeping import sweep
from tests.support.terminal import CommandLine

DEFINITION = """
SELECT 'column' AS kind, attname AS name, format_type(atttypid, atttypmod) || ' ' || attnotnull AS definition
FROM pg_attribute WHERE attrelid = 'projections.{0}'::regclass AND attnum > 0
UNION ALL
SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid)
FROM pg_index WHERE indrelid = 'projections.{0}'::regclass
UNION ALL
SELECT 'constraint', conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE conrelid = 'projections.{0}'::regclass
UNION ALL
SELECT 'table', relname, concat(relacl, relowner::regrole, reloptions, relpersistence)
FROM pg_class WHERE oid = 'projections.{0}'::regclass
ORDER BY 1, 2
"""
FILLED = "SELECT FROM pg_indexes WHERE schemaname = 'projections_rebuilt' AND indexname LIKE '%by_creation'"
COUNT = Statement("count", "SELECT count(*) AS count FROM projections.customers")
WAITS_LONG = "SELECT FROM pg_locks WHERE NOT granted AND clock_timestamp() - waitstart > '1.2s'"
WRITERS = 5
BLOCKED = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'events.customer_events'::regclass"
END_BLOCKED = f"SELECT pg_terminate_backend(pid) FROM ({BLOCKED}) AS blocked"
TABLES = ("customers", "charges", "invoices", "customer_stats")
NO_LEFTOVERS = """
SELECT nspname AS what FROM pg_namespace WHERE nspname = 'projections_rebuilt'
UNION ALL
SELECT tgname FROM pg_trigger WHERE tgname = 'note_arrivals'
UNION ALL
SELECT projection FROM projections.progress WHERE projection <> 'customers'
"""


def ignored(_: int) -> None:
    """Progress that nobody watches."""


async def definitions(store: Store) -> dict[str, list[Any]]:
    return {table: [tuple(row) for row in await store.select(DEFINITION.format(table))] for table in TABLES}


async def some_history(store: Store) -> None:
    await store.create(C1, JOHN)
    await store.create(C2, ACME)
    await store.create(C1, ACME, M2)
    await store.update(C1, name="Jo")
    await store.delete(C2)


async def rebuild(store: Store) -> None:
    await rebuild_customers(store.admin_url, store.master_keys, ignored)


async def test_a_rebuilt_read_model_is_what_the_events_amount_to(store: Store) -> None:
    await some_history(store)
    await rebuild(store)
    assert await check_read_model(store.admin_url, store.master_keys) == 3
    assert await sweep(store.database, store.master_keys) == 0


async def test_rows_that_were_wrong_are_right_afterwards(store: Store) -> None:
    await some_history(store)
    await sweep(store.database, store.master_keys)
    await run_sql(
        store.admin_url,
        "UPDATE projections.customers SET body = '{}'",
        f"UPDATE projections.customers SET customer_id = 'cus_phantom' WHERE customer_id = '{C2}'",
        "UPDATE projections.progress SET hash = sha256('another history'), position = position + 7",
    )
    await rebuild(store)
    assert await check_read_model(store.admin_url, store.master_keys) == 3
    await store.update(C1, name="John again")
    assert await sweep(store.database, store.master_keys) == 1


async def test_a_rebuilt_table_is_like_the_one_before_in_columns_indexes_names_and_rights(
    commanded_store: Store, command_line: CommandLine
) -> None:
    before = await definitions(commanded_store)
    await command_line.run("rebuild", "customers")
    await command_line.run("rebuild", "billing")
    assert await definitions(commanded_store) == before
    assert await commanded_store.select(NO_LEFTOVERS) == []


async def test_the_command_says_what_it_did(commanded_store: Store, command_line: CommandLine) -> None:
    await some_history(commanded_store)
    for _ in range(2):
        assert "customers: rebuilt from 5 events" in await command_line.run("rebuild", "customers")
    assert await check_read_model(commanded_store.admin_url, commanded_store.master_keys) == 3


async def test_an_interrupted_rebuild_is_cleared_away_by_the_next(store: Store) -> None:
    await some_history(store)
    async with connected(store.admin_url) as killed:
        for step in ("begin_rebuild('killed')", "make_shadow('customers')", "note_arrivals()"):
            await killed.execute(f"SELECT projections.{step}")
        await killed.execute(
            "INSERT INTO projections.progress SELECT 'customers (rebuilt)', id, 1, '', 1 "
            "FROM events.merchants"
        )
    await rebuild(store)
    assert await check_read_model(store.admin_url, store.master_keys) == 3
    assert await store.select(NO_LEFTOVERS) == []


async def test_what_a_killed_rebuild_left_of_somebody_erased_since_is_cleared_away(store: Store) -> None:
    await some_history(store)
    await sweep(store.database, store.master_keys)
    async with connected(store.admin_url) as killed:
        for step in ("begin_rebuild('killed')", "make_shadow('customers')", "note_arrivals()"):
            await killed.execute(f"SELECT projections.{step}")
        await killed.execute("INSERT INTO projections_rebuilt.customers SELECT * FROM projections.customers")
    eraser = Eraser(store.events, store.database, store.master_keys, None)
    await eraser.erase(CustomerKey(M1, C1), Request(b"{}"))
    await drop_abandoned_shadows(store.database)
    assert await store.select(NO_LEFTOVERS) == []
    await drop_abandoned_shadows(store.database)


async def test_a_rebuild_under_way_is_not_taken_for_abandoned(store: Store) -> None:
    async with shadows_of(store.admin_url, ["customers"]):
        await drop_abandoned_shadows(store.database)
        assert await store.select("SELECT FROM projections_rebuilt.customers") == []


async def test_of_two_rebuilds_at_once_the_second_is_refused(store: Store) -> None:
    async with shadows_of(store.admin_url, ["customers"]):
        with pytest.raises(RebuildRefused, match="another rebuild is under way"):
            await rebuild(store)
    await rebuild(store)


async def test_a_rebuild_that_lost_its_lock_to_another_swaps_nothing(store: Store) -> None:
    await some_history(store)
    await sweep(store.database, store.master_keys)
    async with shadows_of(store.admin_url, ["customers"]) as shadows:
        await store.admin.fetch(BEGIN_REBUILD, "the other one")
        await store.admin.fetch(MAKE_SHADOW, "customers")
        with pytest.raises(RebuildRefused, match="another rebuild has begun"):
            async with store.admin.transaction() as transaction:
                await shadows.swap(transaction)
    assert await check_read_model(store.admin_url, store.master_keys) == 3


async def test_a_swap_gives_way_to_a_slow_reader_and_keeps_nobody_waiting(store: Store) -> None:
    await some_history(store)
    await sweep(store.database, store.master_keys)
    async with connected(store.url) as reader:
        async with reader.transaction():
            await reader.execute("SELECT FROM projections.customers")
            async with shadows_of(store.admin_url, ["customers"]) as shadows:
                with pytest.raises(StoreBusy):
                    async with store.admin.transaction() as transaction:
                        await shadows.lock_live(transaction)
            rebuilding = asyncio.create_task(rebuild(store))
            done, _ = await asyncio.wait([rebuilding], timeout=0.5)
            assert not done
            async with asyncio.timeout(5), CustomerReader.open(store.url, store.master_keys) as customers:
                assert await customers.by_id(M1, C1) is not None
        await rebuilding
    assert await check_read_model(store.admin_url, store.master_keys) == 3


async def test_a_customer_that_cannot_be_read_is_parked_and_keeps_what_could_be(store: Store) -> None:
    await some_history(store)
    await run_sql(
        store.admin_url,
        "ALTER TABLE events.customer_events DISABLE TRIGGER append_only",
        f"UPDATE events.customer_events SET topic = 'CustomerForgotten' "
        f"WHERE originator_id = '{C1}' AND originator_version = 2",
    )
    await sweep(store.database, store.master_keys)
    before = await read_model(store.admin_url)
    await rebuild(store)
    assert {one.customer_id for one in await list_parked(store.database)} == {C1}
    after = await read_model(store.admin_url)
    assert {key: row for key, row in after.items() if key != (M1, C1)} == {
        key: row for key, row in before.items() if key != (M1, C1)
    }
    assert after[M1, C1].version == 1


async def test_who_is_erased_while_the_shadow_waits_is_a_tombstone_when_it_takes_its_place(
    store: Store,
) -> None:
    await some_history(store)
    await sweep(store.database, store.master_keys)
    eraser = Eraser(store.events, store.database, store.master_keys, None)
    async with connected(store.url) as reader:
        async with reader.transaction():
            await reader.execute("SELECT FROM projections.customers")
            rebuilding = asyncio.create_task(rebuild(store))

            async def is_filled() -> bool:
                return bool(await store.select(FILLED))

            await comes_about(is_filled, what="a filled shadow")
            await eraser.erase(CustomerKey(M1, C1), Request(b"{}"))
        await rebuilding
    row = (await read_model(store.admin_url))[M1, C1]
    assert (row.deleted, row.version) == (True, 3)
    assert await check_read_model(store.admin_url, store.master_keys) == 3


async def test_a_connection_that_breaks_on_the_way_is_made_anew_and_nothing_is_missed(store: Store) -> None:
    await some_history(store)
    async with connected(store.admin_url) as other:

        async def is_waiting() -> bool:
            return bool(await other.fetch(BLOCKED))

        async with other.transaction():
            await other.execute("LOCK TABLE events.customer_events")
            rebuilding = asyncio.create_task(rebuild(store))
            await comes_about(is_waiting, what="a rebuild that reads events")
            assert await other.fetch(END_BLOCKED)
            await comes_about(is_waiting, what="a rebuild that reads events again")
        await rebuilding
    assert await check_read_model(store.admin_url, store.master_keys) == 3
    assert await store.select(NO_LEFTOVERS) == []


async def test_autovacuum_is_waited_for_longer_than_others_and_nobody_waits_with_us(store: Store) -> None:
    await some_history(store)
    await sweep(store.database, store.master_keys)
    async with (
        connected(store.admin_url) as vacuum,
        connected(store.admin_url) as other,
        shadows_of(store.admin_url, ["customers"]) as shadows,
    ):

        async def waits_long() -> bool:
            return bool(await other.fetch(WAITS_LONG))

        for schema, step in (
            ("projections_rebuilt", shadows.index()),
            ("projections_rebuilt", keep_away_and_lock(store, shadows)),
            ("projections", keep_away_and_lock(store, shadows)),
        ):
            transaction = vacuum.transaction()
            await transaction.start()
            await vacuum.execute(f"LOCK TABLE {schema}.customers IN SHARE UPDATE EXCLUSIVE MODE")
            waiting = asyncio.create_task(step)
            await comes_about(waits_long, what="somebody who waits for autovacuum")
            assert await store.database.fetch(COUNT)
            await transaction.rollback()
            await waiting


async def keep_away_and_lock(store: Store, shadows: Shadows) -> None:
    """The locks of a swap."""
    async with store.admin.transaction() as transaction:
        await shadows.keep_vacuum_away(transaction)
        await shadows.lock_live(transaction)


async def test_what_cannot_be_written_ends_the_command_with_one_line(
    commanded_store: Store, command_line: CommandLine
) -> None:
    await some_history(commanded_store)
    await run_sql(
        commanded_store.admin_url,
        "ALTER TABLE projections.customers ADD CONSTRAINT never CHECK (version < 0) NOT VALID",
    )
    said = await command_line.run("rebuild", "customers", status=1)
    assert said == "customers: transaction: CheckViolationError"
    assert await commanded_store.select(NO_LEFTOVERS) == []


class Traffic:
    """Writers that read what they wrote, a worker, and one who counts the rows, until told to stop."""

    def __init__(self, store: Store, database: Database, reader: CustomerReader) -> None:
        self._store = store
        self._database = database
        self._reader = reader
        self._stopping = asyncio.Event()
        self.written = 0
        self.looks = 0

    @asynccontextmanager
    async def on(self, customers: Sequence[str]) -> AsyncIterator[None]:
        """Go on for the length of a block."""
        async with asyncio.TaskGroup() as tasks:
            for first in range(WRITERS):
                tasks.create_task(self._write(customers[first::WRITERS]))
            tasks.create_task(self._project())
            tasks.create_task(self._look(len(customers)))
            try:
                yield
            finally:
                self._stopping.set()

    async def _write(self, customers: Sequence[str]) -> None:
        for customer in itertools.cycle(customers):
            if self._stopping.is_set():
                return
            name = f"Name {self.written}"
            await self._store.update(customer, name=name)
            row = await self._reader.by_id(M1, customer)
            assert row is not None
            assert f'"{name}"'.encode() in row.body
            self.written += 1

    async def _project(self) -> None:
        while not self._stopping.is_set():
            await sweep(self._database, self._store.master_keys)

    async def _look(self, customers: int) -> None:
        while not self._stopping.is_set():
            (row,) = await self._database.fetch(COUNT)
            assert row["count"] == customers
            self.looks += 1


async def test_under_traffic_reads_by_id_stay_right_and_nothing_is_missed(store: Store) -> None:
    customers = [customer_id(number) for number in range(30)]
    for number, customer in enumerate(customers):
        await store.create(customer, JOHN | {"email": f"{number}@example.com"})
    while await sweep(store.database, store.master_keys):
        pass
    async with CustomerReader.open(store.url, store.master_keys) as reader:
        traffic = Traffic(store, store.database, reader)
        async with traffic.on(customers):
            for _ in range(5):
                await rebuild(store)
    assert traffic.written > 5 * WRITERS
    assert traffic.looks > 5
    while await sweep(store.database, store.master_keys):
        pass
    assert await check_read_model(store.admin_url, store.master_keys) == len(customers)
