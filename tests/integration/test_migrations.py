"""Migrations: each once, one runner at a time, all of a file or nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from events.errors import MigrationError, StoreUnavailable
from events.migrations import apply_migrations, find_migrations
from service.embedded.postgres import EmbeddedPostgres
from service.schema import FOLDERS, migrate
from tests.support.databases import TestDatabase, fresh_database, run_sql
from tests.support.store import connected

EMPTY = "template1"
OURS = [migration.name for migration in find_migrations(FOLDERS)]


@pytest_asyncio.fixture
async def empty(postgres: EmbeddedPostgres) -> AsyncIterator[TestDatabase]:
    """A database without a schema of ours."""
    async with fresh_database(postgres, EMPTY) as made:
        yield made


class Folder:
    """A folder of migrations that a test writes as it goes along."""

    def __init__(self, path: Path, database: TestDatabase) -> None:
        self.path = path
        self.url = database.admin_url
        self.said: list[str] = []

    def write(self, kind: str, stem: str, text: str) -> None:
        path = self.path / kind / f"{stem}.sql"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    async def apply(self) -> list[str]:
        return await apply_migrations(self.url, [self.path], self.said.append)

    async def value(self, query: str) -> object:
        async with connected(self.url) as raw:
            return await raw.fetchval(query)


@pytest.fixture
def folder(tmp_path: Path, empty: TestDatabase) -> Folder:
    path = tmp_path / "shop" / "sql"
    path.mkdir(parents=True)
    return Folder(path, empty)


async def test_a_new_database_gets_everything_in_order(empty: TestDatabase) -> None:
    said: list[str] = []
    assert await migrate(empty.admin_url, log=said.append) == OURS
    assert said == [f"applied {name}" for name in OURS]
    assert OURS[0] == "events/migrations/0001_event_store"


async def test_a_second_run_applies_nothing(database: TestDatabase) -> None:
    said: list[str] = []
    assert await migrate(database.admin_url, log=said.append) == []
    assert said == []


async def test_of_two_runs_at_once_one_applies_everything_and_the_other_nothing(empty: TestDatabase) -> None:
    runs = await asyncio.gather(migrate(empty.admin_url), migrate(empty.admin_url))
    assert sorted(runs) == [[], OURS]


async def test_two_databases_of_one_server_can_be_migrated_at_once(
    postgres: EmbeddedPostgres, empty: TestDatabase
) -> None:
    async with fresh_database(postgres, EMPTY) as another:
        first, second = await asyncio.gather(migrate(empty.admin_url), migrate(another.admin_url))
    assert first == second == OURS


async def test_what_was_added_is_applied_alone(folder: Folder) -> None:
    folder.write("migrations", "0001_first", "CREATE TABLE first (id integer)")
    assert await folder.apply() == ["shop/migrations/0001_first"]
    folder.write("migrations", "0002_second", "CREATE TABLE second (id integer)")
    assert await folder.apply() == ["shop/migrations/0002_second"]


async def test_a_migration_changed_after_it_was_applied_is_an_error(folder: Folder) -> None:
    folder.write("migrations", "0001_first", "CREATE TABLE first (id integer)")
    await folder.apply()
    folder.write("migrations", "0001_first", "CREATE TABLE first (id bigint)")
    folder.write("migrations", "0002_second", "CREATE TABLE second (id integer)")
    with pytest.raises(MigrationError, match=r"^shop/migrations/0001_first was changed after it was applied"):
        await folder.apply()
    assert await folder.value("SELECT to_regclass('second')") is None


async def test_a_function_is_applied_again_when_its_text_changes_and_only_then(folder: Folder) -> None:
    text = "CREATE OR REPLACE FUNCTION answer() RETURNS integer LANGUAGE sql AS 'SELECT {}'"
    folder.write("functions", "answer", text.format(41))
    assert await folder.apply() == ["shop/functions/answer"]
    assert await folder.apply() == []
    folder.write("functions", "answer", text.format(42))
    assert await folder.apply() == ["shop/functions/answer"]
    assert await folder.apply() == []
    assert await folder.value("SELECT answer()") == 42


async def test_of_a_broken_file_nothing_is_left_and_it_is_named_in_one_line(folder: Folder) -> None:
    folder.write("migrations", "0001_first", "CREATE TABLE first (id integer)")
    folder.write(
        "migrations", "0002_broken", "CREATE TABLE second (id integer); CREATE TABLE first (id integer)"
    )
    folder.write("migrations", "0003_third", "CREATE TABLE third (id integer)")
    with pytest.raises(MigrationError) as caught:
        await folder.apply()
    assert str(caught.value) == 'shop/migrations/0002_broken: relation "first" already exists'
    assert folder.said == ["applied shop/migrations/0001_first"]
    assert await folder.value("SELECT to_regclass('second')") is None
    assert await folder.value("SELECT to_regclass('third')") is None
    folder.write("migrations", "0002_broken", "CREATE TABLE second (id integer)")
    assert await folder.apply() == ["shop/migrations/0002_broken", "shop/migrations/0003_third"]


async def test_a_failed_run_keeps_the_next_one_from_nothing(folder: Folder) -> None:
    folder.write("migrations", "0001_broken", "SELECT no_such_function()")
    for _ in range(2):
        with pytest.raises(MigrationError, match="no_such_function"):
            await folder.apply()
    folder.write("migrations", "0001_broken", "SELECT 1")
    assert await folder.apply() == ["shop/migrations/0001_broken"]


async def test_the_settings_of_a_file_end_with_it(folder: Folder) -> None:
    folder.write("migrations", "0001_first", "SET LOCAL lock_timeout = '5s'; CREATE TABLE first (id integer)")
    folder.write(
        "migrations",
        "0002_second",
        "CREATE TABLE second AS SELECT current_setting('lock_timeout') AS lock_timeout",
    )
    await folder.apply()
    assert await folder.value("SELECT lock_timeout FROM second") == "0"


async def test_a_lock_held_by_others_is_an_error_in_time_and_damages_nothing(folder: Folder) -> None:
    await run_sql(folder.url, "CREATE TABLE busy (id integer)")
    folder.write(
        "migrations",
        "0001_busy",
        "SET LOCAL lock_timeout = '100ms'; ALTER TABLE busy ADD COLUMN more integer",
    )
    async with connected(folder.url) as other, other.transaction():
        await other.execute("LOCK TABLE busy IN ACCESS SHARE MODE")
        with pytest.raises(MigrationError, match=r"shop/migrations/0001_busy: .*lock timeout"):
            await folder.apply()
    assert await folder.apply() == ["shop/migrations/0001_busy"]


async def test_every_migration_of_ours_limits_how_long_it_waits_and_runs() -> None:
    migrations = [migration for migration in find_migrations(FOLDERS) if not migration.repeatable]
    for migration in migrations:
        assert "SET LOCAL lock_timeout" in migration.text, migration.name
        assert "SET LOCAL statement_timeout" in migration.text, migration.name


async def test_a_database_that_is_not_there_is_said_to_be_unreachable(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        await migrate(postgres.url("nowhere"))


async def test_reads_go_on_while_erased_customers_are_indexed(database: TestDatabase) -> None:
    (indexing,) = [m for m in find_migrations(FOLDERS) if m.name.endswith("0007_erased_customers")]
    await run_sql(database.admin_url, "DROP INDEX events.customer_keys_erased")
    async with connected(database.admin_url) as migrating, migrating.transaction():
        await migrating.execute(indexing.text)
        async with connected(database.url) as reader:
            await reader.execute("SET lock_timeout = '1s'")
            assert await reader.fetch("SELECT customer_id FROM events.customer_keys") == []


async def test_keys_that_were_there_keep_no_rate_limit_and_new_ones_have_one(database: TestDatabase) -> None:
    limits = next(one for one in find_migrations(FOLDERS) if "0004_rate_limits" in one.name)
    columns = "(id, merchant_id, name, secret_hmac, master_version, scopes, created_at)"
    async with connected(database.admin_url) as raw:
        await raw.execute("ALTER TABLE events.api_keys DROP COLUMN rate_limit")
        await raw.execute(
            "INSERT INTO events.merchants (id, live, currency, created_at, hash) "
            "VALUES ('mer_1', false, 'USDC', 0, '')"
        )
        values = "VALUES ($1, 'mer_1', 'key', '', 1, '{read}', 0)"
        await raw.execute(f"INSERT INTO events.api_keys {columns} {values}", "key_old")
        async with raw.transaction():
            await raw.execute(limits.text)
        await raw.execute(f"INSERT INTO events.api_keys {columns} {values}", "key_new")
        found = await raw.fetch("SELECT id, rate_limit FROM events.api_keys ORDER BY id DESC")
    assert [tuple(row) for row in found] == [("key_old", 0), ("key_new", 500)]
