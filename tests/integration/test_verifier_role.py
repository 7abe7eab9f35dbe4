"""The role that verifies may look at ledgers and do nothing else, and the application's may only append."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from events.database import Database
from service.embedded.postgres import EmbeddedPostgres
from tests.support.auditing import fill, findings, signed
from tests.support.databases import run_sql
from tests.support.store import C1, M1, Connection, Store, connected

VERIFIER = "customers_verifier"
TABLES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
WHERE schemaname IN ('events', 'projections') ORDER BY 1
"""
MAY_READ = {
    "events.merchants": {"id", "position", "hash", "recorded_at", "epoch"},
    "events.customer_events": {
        "merchant_id",
        "position",
        "recorded_at",
        "originator_id",
        "originator_version",
        "topic",
        "metadata",
        "state",
        "hash",
    },
    "events.checkpoints": None,
    "events.epochs": None,
    "events.merkle_nodes": None,
}
"""Tables and columns, None for all of them."""
COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
READABLE = "has_column_privilege($2, attrelid, attnum, 'SELECT')"
WRITES = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name FROM pg_proc AS p
WHERE p.pronamespace IN ('events'::regnamespace, 'projections'::regnamespace)
    AND has_function_privilege($1, p.oid, 'EXECUTE') AND p.prorettype <> 'trigger'::regtype
"""


@pytest.fixture
def verifier_url(store: Store, migrated_postgres: EmbeddedPostgres) -> str:
    return migrated_postgres.url(store.url.rsplit("/", 1)[-1].split("?")[0], VERIFIER)


@pytest_asyncio.fixture
async def verifier(store: Store, verifier_url: str) -> AsyncIterator[Connection]:
    await run_sql(store.admin_url, f"ALTER ROLE {VERIFIER} LOGIN")
    async with connected(verifier_url) as raw:
        yield raw


async def test_it_can_verify(store: Store, verifier: Connection, verifier_url: str) -> None:
    await fill(store)
    await signed(store)
    async with Database.connect(verifier_url) as database:
        assert await findings(database) == []


async def test_it_reads_what_is_hashed_and_nothing_else(store: Store) -> None:
    for (table,) in await store.select(TABLES):
        columns = {row["attname"] for row in await store.select(COLUMNS, table)}
        readable = {
            row["attname"] for row in await store.select(f"{COLUMNS} AND {READABLE}", table, VERIFIER)
        }
        wanted = MAY_READ.get(table, set())
        assert readable == (columns if wanted is None else wanted), table


async def test_of_data_keys_it_sees_whether_they_are_there(store: Store, verifier: Connection) -> None:
    await fill(store)
    await store.erase(C1)
    row = await verifier.fetchrow("SELECT * FROM events.customer_key_states WHERE destroyed")
    assert row is not None
    assert dict(row) == {"merchant_id": M1, "customer_id": C1, "destroyed": True}
    for right in WRITES:
        query = "SELECT has_table_privilege($1, 'events.customer_key_states', $2) AS granted"
        for role in (VERIFIER, "customers_app"):
            assert (await store.select(query, role, right))[0]["granted"] is False, (role, right)


async def test_it_writes_nothing(store: Store, verifier: Connection) -> None:
    for (table,) in await store.select(TABLES):
        assert await rights(store, VERIFIER, table) == [], table
    assert [row["name"] for row in await store.select(FUNCTIONS, VERIFIER)] == []
    for attack in (
        "INSERT INTO events.merkle_nodes VALUES ('m', 1, 8, 0, '')",
        "DELETE FROM events.checkpoints",
        "UPDATE events.merchants SET position = 0",
        "SELECT secret_hmac FROM events.api_keys",
        "SELECT wrapped_key FROM events.customer_keys",
        "CREATE TABLE events.mine (id integer)",
        "SELECT * FROM events.append('{}')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await verifier.execute(attack)


async def rights(store: Store, role: str, table: str) -> list[str]:
    """What a role may do to a table, but for reading it."""
    query = "SELECT has_table_privilege($1, $2, $3) AS granted"
    return [right for right in WRITES if (await store.select(query, role, table, right))[0]["granted"]]


async def test_the_application_has_no_right_to_events_but_reading_and_appending(store: Store) -> None:
    await fill(store)
    for table in ("events.customer_events", "events.merchants", "events.customer_keys"):
        assert await rights(store, "customers_app", table) == [], table
    insert = f"""INSERT INTO events.customer_events
    SELECT * FROM events.customer_events WHERE merchant_id = '{M1}' AND position = 1"""
    async with connected(store.url) as application:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await application.execute(insert)
    writing = {row["name"].split("(")[0] for row in await store.select(FUNCTIONS, "customers_app")}
    assert writing == {
        "events.append",
        "events.drop_from_outbox",
        "events.follow_stream",
        "events.mark_published",
        "events.mark_published_until",
        "events.note_cleaned",
        "events.put_back_after",
        "events.raise_epochs",
        "projections.drop_abandoned_shadows",
    }
