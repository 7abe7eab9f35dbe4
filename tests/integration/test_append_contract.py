"""What `events.append` stands on, pinned: isolation level, volatility, whose rights it runs with."""

from __future__ import annotations

import asyncpg
import pytest

from tests.support.store import C1, C2, Appender, changing, creating

A, B = "a@example.com", "b@example.com"

FUNCTION = """
SELECT provolatile, prosecdef, proconfig, proowner::regrole::text AS owner, has_function_privilege(
    'public', oid, 'EXECUTE') AS for_everyone
FROM pg_proc
WHERE pronamespace = 'events'::regnamespace AND proname = $1
"""


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_it_refuses_isolation_levels_whose_snapshot_is_older_than_the_lock(
    committing: Appender, isolation: str
) -> None:
    before = await committing.everything()
    with pytest.raises(asyncpg.InvalidTransactionStateError, match="needs READ COMMITTED"):
        async with committing.raw.transaction(isolation=isolation):  # type: ignore[arg-type]  # one of its literals
            await committing.append(creating(C1, A))
    assert await committing.everything() == before


async def test_it_refuses_them_also_as_the_session_s_default(committing: Appender) -> None:
    await committing.raw.execute("SET default_transaction_isolation = 'repeatable read'")
    with pytest.raises(asyncpg.InvalidTransactionStateError):
        await committing.append(creating(C1, A))


async def test_it_is_volatile_so_that_every_statement_sees_what_was_committed_last(
    appender: Appender,
) -> None:
    function = await appender.raw.fetchrow(FUNCTION, "append")
    assert function is not None
    assert function["provolatile"] == b"v"


@pytest.mark.parametrize("name", ["append", "write", "destroy_key"])
async def test_its_functions_trust_no_search_path_and_are_not_for_everyone(
    appender: Appender, name: str
) -> None:
    function = await appender.raw.fetchrow(FUNCTION, name)
    assert function is not None
    assert "search_path=pg_catalog, pg_temp" in function["proconfig"]
    assert not function["for_everyone"]


async def test_it_runs_with_its_owner_s_rights_which_the_application_does_not_have(
    appender: Appender,
) -> None:
    function = await appender.raw.fetchrow(FUNCTION, "append")
    assert function is not None
    assert function["prosecdef"]
    assert function["owner"] != await appender.raw.fetchval("SELECT current_user")
    assert await appender.kinds(creating(C1, A)) == ["appended"]


async def test_a_table_of_the_session_s_own_does_not_stand_in_for_the_store_s(appender: Appender) -> None:
    await appender.raw.execute("CREATE TEMP TABLE email_claims (merchant_id text, email_key text)")
    assert await appender.kinds(creating(C1, A), creating(C2, A)) == ["appended", "email_taken"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO events.merchants (id, live, currency, created_at, hash) VALUES ('m', true, 'X', 0, '')",
        "UPDATE events.merchants SET position = 0",
        "DELETE FROM events.merchants",
        "TRUNCATE events.merchants",
        "SELECT FROM events.merchants FOR UPDATE",
        "INSERT INTO events.customer_events SELECT * FROM events.customer_events",
        "UPDATE events.customer_events SET state = ''",
        "DELETE FROM events.customer_events",
        "TRUNCATE events.customer_events",
        "INSERT INTO events.email_claims VALUES ('m', 'e', 'c')",
        "UPDATE events.email_claims SET customer_id = 'c'",
        "DELETE FROM events.email_claims",
        "UPDATE events.customer_keys SET wrapped_key = ''",
        "DELETE FROM events.customer_keys",
        "INSERT INTO events.idempotency_keys VALUES ('m', '', '', 'c', 1, 200, 0)",
        "UPDATE events.idempotency_keys SET status = 200",
        "DELETE FROM events.outbox",
        "UPDATE events.api_keys SET revoked_at = NULL",
        "SELECT events.write(NULL, NULL)",
        "SELECT events.destroy_key('m', 'c')",
        "UPDATE events.customer_keys SET wrapped_key = NULL",
        "ALTER TABLE events.customer_events DISABLE TRIGGER ALL",
        "DROP TABLE events.customer_events",
        "CREATE TABLE events.mine (id text)",
        "SET session_replication_role = replica",
    ],
)
async def test_the_application_s_role_writes_by_no_other_way(appender: Appender, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await appender.raw.execute(statement)


async def test_a_batch_with_a_command_that_breaks_leaves_nothing_of_its_neighbours(
    committing: Appender,
) -> None:
    before = await committing.everything()
    with pytest.raises(asyncpg.NotNullViolationError):
        await committing.append(creating(C1, A), changing(C1, 2, state=None))
    assert await committing.everything() == before
