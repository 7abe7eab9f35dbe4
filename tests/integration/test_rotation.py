"""Renewing the master key while everything goes on: nobody ever meets a key that it does not know."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from events import rewrapping
from events.customer_key import CustomerKey
from events.errors import MasterKeyMismatch
from events.key_checks import check_master_keys, use_versions
from events.master_keys import MasterKeys
from events.queries import WRAPPED_KEYS_PAGE
from events.rewrapping import api_keys_by_version, estimate_data_keys, rewrap
from service.audit.erasing import Eraser, Request
from tests.support.cases import ACME, JOHN
from tests.support.commands import customers
from tests.support.databases import TestDatabase, run_sql
from tests.support.ledger import check_ledger
from tests.support.store import C1, C2, C3, M1, Store, connected, customer_id, opened_store

OLD = MasterKeys.generate_text(1)
BOTH = OLD + MasterKeys.generate_text(2)


async def wrapped_by(store: Store) -> dict[str, int | None]:
    """The version that wraps each customer's data key; None for a destroyed one."""
    rows = await store.select("SELECT customer_id, wrapped_key, master_version FROM events.customer_keys")
    return {
        row["customer_id"]: row["master_version"] if row["wrapped_key"] is not None else None for row in rows
    }


async def rewrapped(store: Store, master_keys: MasterKeys) -> list[tuple[int, int]]:
    """The pages of a run."""
    return [(page.seen, page.rewrapped) async for page in rewrap(store.admin, master_keys)]


async def test_a_version_that_is_given_and_not_in_use_wraps_nothing(ledgers: TestDatabase) -> None:
    async with opened_store(ledgers, keys=MasterKeys.from_text(OLD)) as store:
        await check_master_keys(store.admin, store.master_keys)
        await store.create(C1, JOHN)
    knowing = MasterKeys.from_text(BOTH)
    async with opened_store(ledgers, keys=knowing) as store:
        await check_master_keys(store.admin, knowing)
        assert knowing.current == 1
        await store.create(C2, ACME)
        assert await wrapped_by(store) == {C1: 1, C2: 1}
        await check_master_keys(store.admin, MasterKeys.from_text(OLD))


async def test_once_the_new_version_is_in_use_whoever_lacks_it_or_has_another_is_refused(
    ledgers: TestDatabase,
) -> None:
    both = MasterKeys.from_text(BOTH)
    async with opened_store(ledgers, keys=both) as store:
        await check_master_keys(store.admin, MasterKeys.from_text(OLD))
        await use_versions(store.admin, both, [2])
        assert both.current == 2
        for text in (OLD, OLD + MasterKeys.generate_text(2)):
            with pytest.raises(MasterKeyMismatch):
                await check_master_keys(store.admin, MasterKeys.from_text(text))


async def test_every_data_key_is_wrapped_anew_while_processes_of_either_kind_go_on(
    ledgers: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewrapping, "PAGE", 2)
    both = MasterKeys.from_text(BOTH)
    running = MasterKeys.from_text(BOTH)
    async with opened_store(ledgers, keys=running) as store:
        running.wrap_with(1)
        for number in range(5):
            await store.create(customer_id(number), JOHN | {"email": f"{number}@example.com"})
        await store.erase(customer_id(3))
        both.wrap_with(2)
        assert await rewrapped(store, both) == [(2, 2), (2, 1), (1, 1)]
        await store.update(customer_id(0), name="Written by one that wraps with the old version")
        await store.create(customer_id(9), JOHN)
        assert await wrapped_by(store) == {
            **{customer_id(number): 2 for number in range(5)},
            customer_id(3): None,
            customer_id(9): 1,
        }
        assert await rewrapped(store, both) == [(2, 0), (2, 0), (2, 1)]
        assert await rewrapped(store, both) == [(2, 0), (2, 0), (2, 0)]
    await check_ledger(ledgers.admin_url, both, published=False)


async def test_how_many_data_keys_there_are_is_estimated_without_looking_at_them(store: Store) -> None:
    assert await estimate_data_keys(store.admin) is None
    await store.create(C1, JOHN)
    await store.create(C2, ACME)
    await run_sql(store.admin_url, "ANALYZE events.customer_keys")
    async with connected(store.admin_url) as other, other.transaction():
        await other.execute("LOCK TABLE events.customer_keys")
        assert await estimate_data_keys(store.admin) == 2


async def test_a_key_that_is_destroyed_while_it_is_wrapped_anew_stays_destroyed(
    ledgers: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = MasterKeys.from_text(BOTH)
    async with opened_store(ledgers, keys=both) as store:
        both.wrap_with(1)
        for customer, email in ((C1, "1@example.com"), (C3, "3@example.com")):
            await store.create(customer, JOHN | {"email": email})
        (row, other) = await store.admin.fetch(WRAPPED_KEYS_PAGE, "", "", 9)
        await store.erase(C1)
        both.wrap_with(2)
        assert await rewrapping._rewrap_page(store.admin, both, [row, other]) == 1
        assert await wrapped_by(store) == {C1: None, C3: 2}
        assert (await store.load(C1, M1)).customer is not None


async def rotate(database: TestDatabase, *options: str, status: int = 0, **more: object) -> str:
    """Run `customers keys rotate-master`; what it said."""
    environment = {
        "CUSTOMERS_DATABASE_URL": database.url,
        "CUSTOMERS_ADMIN_DATABASE_URL": database.admin_url,
        **{f"CUSTOMERS_{name.upper()}": str(value) for name, value in more.items()},
    }
    return await customers(environment, "keys", "rotate-master", *options, status=status)


def make_file(path: Path) -> None:
    path.write_text(OLD.rstrip("\n"))
    path.chmod(0o600)


def check_file(path: Path) -> MasterKeys:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert text.startswith(OLD)
    return MasterKeys.from_text(text)


async def test_the_commands_renew_the_master_key_of_a_file(ledgers: TestDatabase, data_dir: Path) -> None:
    path = data_dir.parent / "master.key"
    make_file(path)
    async with opened_store(ledgers, keys=MasterKeys.from_text(OLD)) as store:
        await check_master_keys(store.admin, store.master_keys)
        await store.create(C1, JOHN)
        said = await rotate(ledgers, "rewrap", "--yes", status=1, master_key_file=path)
        assert "`rotate-master add` comes first" in said
        said = await rotate(ledgers, "add", master_key_file=path)
        assert f"version 2 is in {path}" in said
        assert "restart every process" in said
        assert check_file(path).versions == [1, 2]
        assert "--yes" in await rotate(ledgers, "rewrap", status=2, master_key_file=path)
        assert await wrapped_by(store) == {C1: 1}
        said = await rotate(ledgers, "rewrap", "--yes", master_key_file=path)
        assert said.startswith("Data keys wrapped anew, by version 2: 1.")
        assert await wrapped_by(store) == {C1: 2}
        assert await api_keys_by_version(store.admin) == {}
    await check_ledger(ledgers.admin_url, check_file(path), published=False)


async def test_for_a_master_key_in_a_variable_the_line_to_add_is_printed(ledgers: TestDatabase) -> None:
    said = await rotate(ledgers, "add", master_key=OLD.strip())
    told, line = said.splitlines()
    assert "add this line to it" in told
    assert MasterKeys.from_text(OLD + line).versions == [1, 2]


async def test_a_customer_whose_data_key_is_wrapped_by_a_version_that_is_not_given_is_not_erased(
    ledgers: TestDatabase,
) -> None:
    async with opened_store(ledgers, keys=MasterKeys.from_text(OLD)) as store:
        await store.create(C1, JOHN)
        await store.select("UPDATE events.customer_keys SET master_version = 2")
        eraser = Eraser(store.events, store.database, store.master_keys, None)
        with pytest.raises(MasterKeyMismatch, match=r"version 2 is not among those given: \[1\]"):
            await eraser.erase(CustomerKey(M1, C1), Request(b"{}"))
        assert await wrapped_by(store) == {C1: 2}
