"""A large rebuild, which fills in processes of its own: to the same end, and none of them outlives it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec

import orjson
import psutil
import pytest

from events.customer_key import CustomerKey
from events.errors import StoreError
from projections.parking import list_parked
from projections.rebuild.filling import Filled, Stretch
from projections.rebuild.filling_process import FillingProcess
from projections.rebuild.rebuild_customers import rebuild_customers
from projections.rebuild.shadows import shadows_of
from service.audit.erasing import Eraser, Request
from tests.support.cases import ACME, JOHN
from tests.support.databases import run_sql
from tests.support.read_models import check_read_model, read_model
from tests.support.serve import comes_about
from tests.support.store import C1, C2, M1, M2, Store, connected, customer_id
from tests.support.sweeping import sweep

CUSTOMERS = 23
WAITING = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'events.customer_events'::regclass"
LEFT = "SELECT FROM pg_namespace WHERE nspname = 'projections_rebuilt'"
PATIENCE_SECONDS = 20


@pytest.fixture(autouse=True)
def by_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were very many events."""
    monkeypatch.setattr("projections.rebuild.rebuild_customers.FEW", 0)
    monkeypatch.setattr("projections.rebuild.rebuild_customers.os.cpu_count", lambda: 2)
    monkeypatch.setattr("projections.rebuild.filling.STRETCH", 4)


def ignored(_: int) -> None:
    """Progress that nobody watches."""


def children() -> list[psutil.Process]:
    """The processes that fill for us."""
    return [
        one for one in psutil.Process().children() if "projections.rebuild.filling_process" in one.cmdline()
    ]


async def some_customers(store: Store) -> None:
    for number in range(CUSTOMERS):
        one = customer_id(number)
        await store.create(one, JOHN | {"email": f"{number}@example.com"})
        for version in range(number % 4):
            await store.update(one, name=f"Name {version}")
    await store.create(C1, ACME, M2)
    await store.delete(C2)
    await Eraser(store.events, store.database, store.master_keys, None).erase(
        CustomerKey(M1, customer_id(7)), Request(b"{}")
    )


async def test_processes_fill_what_one_would(store: Store) -> None:
    await some_customers(store)
    told: list[int] = []
    await rebuild_customers(store.admin_url, store.master_keys, told.append)
    events = await store.select("SELECT FROM events.customer_events")
    assert sum(told) == len(events)
    assert await check_read_model(store.admin_url, store.master_keys) == CUSTOMERS + 1
    assert await sweep(store.database, store.master_keys) == 0
    assert children() == []


async def test_a_customer_that_cannot_be_read_is_parked_by_a_process(store: Store) -> None:
    await some_customers(store)
    await run_sql(
        store.admin_url,
        "ALTER TABLE events.customer_events DISABLE TRIGGER append_only",
        f"UPDATE events.customer_events SET topic = 'CustomerForgotten' WHERE originator_id = '{C1}' "
        f"AND originator_version = 2 AND merchant_id = '{M1}'",
    )
    await rebuild_customers(store.admin_url, store.master_keys, ignored)
    assert {one.customer_id for one in await list_parked(store.database)} == {C1}
    assert (await read_model(store.admin_url))[M1, C1].version == 1


async def test_what_a_process_cannot_write_ends_the_rebuild(store: Store) -> None:
    await some_customers(store)
    await run_sql(
        store.admin_url,
        "ALTER TABLE projections.customers ADD CONSTRAINT never CHECK (version < 0) NOT VALID",
    )
    with pytest.raises(StoreError, match="transaction: CheckViolationError"):
        await rebuild_customers(store.admin_url, store.master_keys, ignored)
    assert await store.select(LEFT) == []
    assert children() == []


async def test_a_process_that_is_killed_ends_the_rebuild_and_nothing_is_swapped(store: Store) -> None:
    await some_customers(store)
    async with connected(store.admin_url) as other:

        async def is_waiting() -> bool:
            return bool(await other.fetch(WAITING))

        async with other.transaction():
            await other.execute("LOCK TABLE events.customer_events")
            rebuilding = asyncio.create_task(rebuild_customers(store.admin_url, store.master_keys, ignored))
            await comes_about(is_waiting, what="somebody who reads events")
            for child in children():
                child.kill()
        with pytest.raises(StoreError, match="a process that filled ended with status -9"):
            await rebuilding
    assert await store.select(LEFT) == []
    assert children() == []
    await rebuild_customers(store.admin_url, store.master_keys, ignored)
    assert await check_read_model(store.admin_url, store.master_keys) == CUSTOMERS + 1


async def test_a_process_whose_parent_is_gone_ends_by_itself(store: Store) -> None:
    await some_customers(store)
    command = (sys.executable, "-m", "projections.rebuild.filling_process")
    async with connected(store.admin_url) as other, other.transaction():
        await other.execute("LOCK TABLE events.customer_events")
        process = await create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        assert process.stdin is not None
        for line in ([store.admin_url, store.master_keys.to_text()], tuple(Stretch(M1, "", "~"))):
            process.stdin.write(orjson.dumps(line) + b"\n")

        async def is_waiting() -> bool:
            return bool(await store.select(WAITING))

        await comes_about(is_waiting, what="somebody who reads events")
        process.stdin.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await process.wait() == 0


async def test_stretches_have_each_customer_once_and_keys_cross_the_pipe_whole(store: Store) -> None:
    await some_customers(store)
    middle = customer_id(11)
    async with (
        shadows_of(store.admin_url, ["customers"]),
        FillingProcess.started(store.admin_url, store.master_keys) as process,
    ):
        found = []
        for stretch in (Stretch(M1, "", middle), Stretch(M1, middle, "~")):
            filled = [Filled(*one) async for one in process.fill(stretch)]
            rows = await store.select("SELECT customer_id FROM projections_rebuilt.customers")
            found.append((sum(one.events for one in filled), len(rows)))
    assert [rows for _, rows in found] == [12, CUSTOMERS]
