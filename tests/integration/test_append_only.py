"""The events are append-only: whoever attacks them is refused, and finds them unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tests.support.databases import TestDatabase
from tests.support.store import C1, C2, Appender, changing, connected, creating

ATTACKS = [
    "UPDATE events.customer_events SET state = 'forged'",
    "UPDATE events.customer_events SET hash = hash WHERE position = 1",
    "UPDATE events.customer_events SET topic = topic WHERE false",
    "DELETE FROM events.customer_events",
    "DELETE FROM events.customer_events WHERE position = 2",
    "TRUNCATE events.customer_events",
    "TRUNCATE events.customer_events, events.outbox CASCADE",
    "WITH gone AS (DELETE FROM events.customer_events RETURNING *) SELECT FROM gone",
    """INSERT INTO events.customer_events SELECT * FROM events.customer_events
    ON CONFLICT (originator_id, originator_version, merchant_id) DO UPDATE SET state = 'forged'""",
    """MERGE INTO events.customer_events AS e USING events.outbox AS o
    ON o.notification_id = e.notification_id WHEN MATCHED THEN DELETE""",
]


@pytest_asyncio.fixture
async def stored(committing: Appender) -> list[dict[str, Any]]:
    await committing.append(creating(C1, "a@example.com"), changing(C1, 2), creating(C2, "b@example.com"))
    return await committing.rows("customer_events")


@pytest_asyncio.fixture
async def superuser(ledgers: TestDatabase) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    async with connected(ledgers.admin_url) as raw:
        assert await raw.fetchval("SHOW is_superuser") == "on"
        yield raw


async def test_the_application_is_refused(committing: Appender, stored: list[dict[str, Any]]) -> None:
    for attack in ATTACKS:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await committing.raw.execute(attack)
    assert await committing.rows("customer_events") == stored


async def test_a_superuser_is_refused(
    committing: Appender, stored: list[dict[str, Any]], superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    for attack in ATTACKS:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="events are append-only"):
            await superuser.execute(attack)
    assert await committing.rows("customer_events") == stored


async def test_a_superuser_in_the_replica_role_is_refused(
    committing: Appender, stored: list[dict[str, Any]], superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    await superuser.execute("SET session_replication_role = replica")
    for attack in ATTACKS:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="events are append-only"):
            await superuser.execute(attack)
    assert await committing.rows("customer_events") == stored


async def test_a_position_a_version_and_a_notification_are_given_once(
    committing: Appender, stored: list[dict[str, Any]], superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    columns = ", ".join(stored[0])
    for own in ("position", "originator_version", "notification_id"):
        others = {"position": "90", "originator_version": "91", "notification_id": "92"}
        others.pop(own)
        taken = ", ".join(others.get(column, column) for column in stored[0])
        with pytest.raises(asyncpg.UniqueViolationError):
            await superuser.execute(
                f"INSERT INTO events.customer_events ({columns}) "
                f"SELECT {taken} FROM events.customer_events WHERE position = 1"
            )
    assert await committing.rows("customer_events") == stored
