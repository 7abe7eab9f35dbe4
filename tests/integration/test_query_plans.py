"""The plans of the hot statements: look-ups by key read by index, however big the tables become. (Lists have
plan tests of their own.)

In: a database of many customers and events with statistics of them, and an empty one. Out: each statement's
plan under the settings that the code runs it with, generic and custom alike where the server may choose.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
import pytest_asyncio

from events.database import KEYED_LOOKUPS
from events.loading import LATEST
from events.queries import (
    APPEND,
    ARE_ERASED,
    CHECKPOINT_AT,
    CREATION_OF,
    ERASED_AMONG,
    ERASURES_AFTER,
    ERASURES_PAGE,
    FEED_HEADS,
    FEED_PAGE,
    HISTORY,
    HISTORY_NEWER,
    HISTORY_OLDER,
    LAST_AND_KEY,
    LAST_CHECKPOINT,
    LAST_EVENT_OF,
    LEDGER_ENDS,
    LEDGER_HAS,
    LEDGER_RANGE,
    LOAD_CUSTOMERS,
    MERCHANTS_OF,
    MERKLE_NODES,
    NEXT_LEDGER,
    RECORDED_UNTIL,
    REPLAY_PAGE,
    STORED_CHECKPOINTS,
    VERSION_AT,
    WRAPPED_KEYS_PAGE,
    WRONG_KEY,
)
from events.statements import Statement
from projections.queries import (
    FINGERPRINTS_OF,
    INBOX_PAGE,
    NEXT_EVENTS,
    OWNERS_OF,
    PARKED_CUSTOMERS,
    PLACES_OF,
    READ_CUSTOMERS,
    ROWS_BETWEEN,
    ROWS_OF,
    STATS_OF,
)
from service.embedded.postgres import EmbeddedPostgres
from tests.support.databases import TestDatabase, fresh_database, run_sql
from tests.support.store import (
    FINGERPRINT,
    M1,
    Connection,
    changing,
    connected,
    creating,
    customer_id,
    make_merchants,
    merchant_id,
)

MERCHANTS = 40
CUSTOMERS = 250  # of each merchant
VERSIONS = 3

FILL = f"""
CREATE TEMPORARY TABLE customers AS
SELECT m.id AS merchant_id, format('cus_%s_%s', m.number, c.number) AS customer_id, c.number AS number
FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM events.merchants) AS m
CROSS JOIN generate_series(1, {CUSTOMERS}) AS c (number);

INSERT INTO events.customer_events (
    originator_id, originator_version, topic, state, merchant_id, position, recorded_at, hash, metadata
)
SELECT customer_id, version, 'CustomerUpdated', repeat('s', 300)::bytea, merchant_id,
    (version - 1) * {CUSTOMERS} + number, (version - 1) * {CUSTOMERS} + number, '\\x00', '{{}}'
FROM customers CROSS JOIN generate_series(1, {VERSIONS}) AS v (version);

INSERT INTO events.customer_keys SELECT merchant_id, customer_id, '\\x00', 1 FROM customers;

INSERT INTO events.email_claims SELECT merchant_id, number || '@example.com', customer_id FROM customers;

INSERT INTO events.idempotency_keys
SELECT merchant_id, sha256(customer_id::bytea), '\\x00', customer_id, 1, 201, number FROM customers;

INSERT INTO events.customer_snapshots
SELECT customer_id, 2, 'CustomerSnapshot', '', merchant_id FROM customers;

INSERT INTO events.checkpoints
SELECT merchant_id, 1, number, number, '\\x00', '\\x00', '\\x00', '\\x00', '\\x00' FROM customers;

INSERT INTO events.merkle_nodes SELECT merchant_id, 1, 8, number, '\\x00' FROM customers;

INSERT INTO projections.customers
SELECT merchant_id, customer_id, 2, number, number, number % 10 = 0, repeat('b', 300)::bytea, '', ''
FROM customers;

INSERT INTO projections.customer_stats SELECT merchant_id, customer_id, 1, 2, 3 FROM customers;

INSERT INTO projections.billing_events
SELECT merchant_id, 'CHARGES', customer_id, '\\x00', 'charge', 'charge.completed', number, 'linked',
    customer_id, customer_id, 'COMPLETED', 1, 'USDC', number, number, repeat('b', 300)::bytea
FROM customers;

INSERT INTO projections.parked (
    projection, stream, digest, subject, sequence, headers, body, merchant_id, customer_id,
    reason, attempts, parked_at
)
SELECT 'customers', '', sha256(customer_id::bytea), '', 0, '{{}}', '', merchant_id, customer_id,
    'bad', 1, number
FROM customers;

UPDATE events.merchants SET position = {CUSTOMERS * VERSIONS}, recorded_at = {CUSTOMERS * VERSIONS};
"""

GROWING = {
    "checkpoints",
    "merkle_nodes",
    "customer_events",
    "customer_keys",
    "customer_snapshots",
    "email_claims",
    "idempotency_keys",
    "customers",
    "customer_stats",
    "billing_events",
    "parked",
}
"""Those that grow with customers."""

SOME_MERCHANTS = [merchant_id(number) for number in range(1, 17)]
SOME_CUSTOMERS = [customer_id(number) for number in range(1, 17)]
SOME_KEYS = [bytes([number]) * 32 for number in range(16)]
NOBODY: list[Any] = [None] * 16

ON_KEPT_CONNECTIONS: dict[str, tuple[Statement, list[Any]]] = {
    "load_customers": (LOAD_CUSTOMERS, [SOME_MERCHANTS, SOME_CUSTOMERS, SOME_KEYS, [LATEST] * 16]),
    "places_of": (PLACES_OF, ["customers", SOME_MERCHANTS]),
    "erased_among": (ERASED_AMONG, [SOME_MERCHANTS, SOME_CUSTOMERS]),
    "erasures_after": (ERASURES_AFTER, [0, 50]),
    "feed_page": (FEED_PAGE, [M1, 100, 2**62, None, 50, 2**20]),
    "feed_page of some types": (FEED_PAGE, [M1, 100, 200, ["CustomerUpdated"], 1000, 2**20]),
    "feed_heads": (FEED_HEADS, [SOME_MERCHANTS]),
    "recorded_until": (RECORDED_UNTIL, [SOME_MERCHANTS, 300, None]),
    "ledger_has": (LEDGER_HAS, [SOME_MERCHANTS, list(range(1, 17)), [b"\0"] * 16]),
    "read_customers by id": (READ_CUSTOMERS, [SOME_MERCHANTS, SOME_CUSTOMERS, NOBODY]),
    "read_customers by email": (READ_CUSTOMERS, [SOME_MERCHANTS, NOBODY, ["1@example.com"] * 16]),
}
"""What loaders and readers run, under KEYED_LOOKUPS."""

IN_THE_POOL: dict[str, tuple[Statement, list[Any]]] = {
    "creation_of": (CREATION_OF, ["cus_1_1", M1]),
    "history_older": (HISTORY_OLDER, [merchant_id(1), "cus_1_7", 3, 11]),
    "history_newer": (HISTORY_NEWER, [merchant_id(1), "cus_1_7", 1, 11]),
    "version_at": (VERSION_AT, [merchant_id(1), "cus_1_7", 2**62]),
    "replay_page": (REPLAY_PAGE, [merchant_id(1), "cus_1_7", "~", 1, 2**62, 50]),
    "rows_between": (ROWS_BETWEEN, [merchant_id(1), "cus_1_7", "cus_1_9", 50]),
    "inbox_page": (INBOX_PAGE, [merchant_id(1), "CHARGES", "cus_1_7", 50]),
    "next_events": (NEXT_EVENTS, [M1, 20, 100]),
    "rows_of": (ROWS_OF, [M1, SOME_CUSTOMERS]),
    "stats_of": (STATS_OF, [M1, SOME_CUSTOMERS]),
    "stats_of known ones": (STATS_OF, [M1, [f"cus_1_{number}" for number in range(1, 101)]]),
    "owners_of": (OWNERS_OF, [SOME_CUSTOMERS]),
    "fingerprints_of": (FINGERPRINTS_OF, [SOME_MERCHANTS, ["CHARGES"] * 16, SOME_CUSTOMERS]),
    "last_event_of": (LAST_EVENT_OF, [M1, "cus_1_1"]),
    "erasures_page": (ERASURES_PAGE, [M1, "cus_1_1", 100]),
    "are_erased": (ARE_ERASED, [SOME_MERCHANTS, SOME_CUSTOMERS]),
    "wrapped_keys_page": (WRAPPED_KEYS_PAGE, [M1, "cus_1_1", 100]),
    "ledger_range": (LEDGER_RANGE, [M1, 100, 200]),
    "next_ledger": (NEXT_LEDGER, [M1]),
    "last_checkpoint": (LAST_CHECKPOINT, [M1, 1]),
    "merkle_nodes": (MERKLE_NODES, [M1, 1, [8, 8], [5, 6]]),
    "history": (HISTORY, ["cus_1_1", M1, 2]),
    "checkpoint_at": (CHECKPOINT_AT, [M1, 1, 5]),
    "stored_checkpoints": (STORED_CHECKPOINTS, [M1]),
    "last_and_key": (LAST_AND_KEY, [M1, "cus_1_1"]),
    "wrong_key": (WRONG_KEY, [M1, 100, 200]),
    "merchants_of": (MERCHANTS_OF, ["cus_1_1"]),
    "parked_customers": (PARKED_CUSTOMERS, ["customers", SOME_KEYS]),
}
"""What runs in the pool, where PostgreSQL chooses between generic and custom plans."""

OTHER_MODES = ["force_generic_plan", "force_custom_plan"]

Plan = dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[TestDatabase]:
    """Many customers, and statistics of them."""
    async with fresh_database(migrated_postgres) as database:
        await make_merchants(database, *[merchant_id(number) for number in range(1, MERCHANTS + 1)])
        await run_sql(database.admin_url, FILL, "VACUUM ANALYZE")
        yield database


@asynccontextmanager
async def explaining(url: str, **settings: str) -> AsyncIterator[Explainer]:
    """A connection of the application's role under these settings."""
    async with connected(url, **settings) as raw:
        yield Explainer(raw)


@dataclass(frozen=True)
class Explainer:
    """Explains statements as this connection prepares and executes them."""

    raw: Connection

    async def plan(self, statement: Statement, arguments: list[Any]) -> Plan:
        """The plan of the prepared statement, and the rows that it really read."""
        given = ", ".join(literal(argument) for argument in arguments)
        await self.raw.execute("DEALLOCATE ALL")
        await self.raw.execute(f"PREPARE explained AS {statement.text}")
        explained = await self.raw.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE explained ({given})")
        return orjson.loads(explained)[0]["Plan"]  # type: ignore[no-any-return]  # JSON


def literal(value: Any) -> str:
    """A value as SQL; its type is the parameter's."""
    if value is None:
        return "NULL"
    return "'" + (f"{{{', '.join(map(element, value))}}}" if isinstance(value, list) else str(value)) + "'"


def element(value: Any) -> str:
    """A value in the text of an array."""
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    return "NULL" if value is None else str(value)


def nodes(plan: Plan) -> Iterator[Plan]:
    """The nodes of a plan, from its top."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def read_whole(plan: Plan) -> list[str]:
    """The growing tables that a plan reads without asking an index for certain rows."""
    tables = [node for node in nodes(plan) if node.get("Relation Name") in GROWING]
    return [node["Relation Name"] for node in tables if not {"Index Cond", "Recheck Cond"} & set(node)]


def read_in_vain(plan: Plan) -> int:
    """How many rows of tables, on average of a node's loops, were read and thrown away."""
    reasons = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    tables = [node for node in nodes(plan) if "Relation Name" in node]
    return sum(int(node.get(reason, 0)) for node in tables for reason in reasons)


async def test_these_tests_see_a_table_that_is_read_whole(filled: TestDatabase) -> None:
    whole = Statement("whole", "SELECT FROM projections.customers WHERE body = $1")
    async with explaining(filled.url, **KEYED_LOOKUPS) as explainer:
        plan = await explainer.plan(whole, ["nobody"])
    assert read_whole(plan) == ["customers"]
    assert read_in_vain(plan) == MERCHANTS * CUSTOMERS


@pytest.mark.parametrize("name", ON_KEPT_CONNECTIONS)
async def test_batched_lookups_read_by_index(filled: TestDatabase, name: str) -> None:
    async with explaining(filled.url, **KEYED_LOOKUPS) as explainer:
        plan = await explainer.plan(*ON_KEPT_CONNECTIONS[name])
    assert read_whole(plan) == []
    assert read_in_vain(plan) == 0


@pytest.mark.parametrize("name", ON_KEPT_CONNECTIONS)
async def test_batched_lookups_planned_on_empty_tables_read_by_index_too(
    database: TestDatabase, name: str
) -> None:
    async with explaining(database.url, **KEYED_LOOKUPS) as explainer:
        plan = await explainer.plan(*ON_KEPT_CONNECTIONS[name])
    assert read_whole(plan) == []


@pytest.mark.parametrize("mode", OTHER_MODES)
@pytest.mark.parametrize("name", IN_THE_POOL)
async def test_other_reads_go_by_index_however_they_are_planned(
    filled: TestDatabase, name: str, mode: str
) -> None:
    async with explaining(filled.url, plan_cache_mode=mode) as explainer:
        plan = await explainer.plan(*IN_THE_POOL[name])
    assert read_whole(plan) == []
    assert read_in_vain(plan) == 0


@pytest.mark.parametrize("name", IN_THE_POOL)
async def test_other_reads_planned_on_empty_tables_go_by_index_too(database: TestDatabase, name: str) -> None:
    async with explaining(database.url, plan_cache_mode="force_generic_plan") as explainer:
        plan = await explainer.plan(*IN_THE_POOL[name])
    assert read_whole(plan) == []


async def test_the_ends_of_a_ledger_are_read_from_the_ends_of_an_index(filled: TestDatabase) -> None:
    async with explaining(filled.url) as explainer:
        plan = await explainer.plan(LEDGER_ENDS, [M1])
    scans = [node for node in nodes(plan) if node.get("Relation Name") == "customer_events"]
    assert [(scan["Index Name"], scan["Actual Rows"]) for scan in scans] == [
        ("customer_events_position", 1)
    ] * 2


async def test_append_reads_nothing_from_end_to_end(filled: TestDatabase) -> None:
    known = f"cus_1_{CUSTOMERS}"
    commands = [
        creating(SOME_CUSTOMERS[0], "new@example.com", idempotency_key=b"a key", fingerprint=FINGERPRINT),
        creating(SOME_CUSTOMERS[1], "1@example.com"),
        changing(
            known, VERSIONS + 1, email_claim="newer@example.com", email_release=f"{CUSTOMERS}@example.com"
        ),
        changing(known, VERSIONS),
    ]
    async with connected(filled.admin_url, **KEYED_LOOKUPS) as raw, raw.transaction():
        kinds = [row["kind"] for row in await raw.fetch(APPEND.text, commands)]
        assert kinds == ["appended", "email_taken", "appended", "version_conflict"]
        scans = (
            "SELECT relname FROM pg_stat_xact_user_tables WHERE seq_tup_read > 0 AND schemaname = 'events'"
        )
        assert await raw.fetch(scans) == []
