"""Two processes write to few customers while their connections are killed: the books are right afterwards."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from events.master_keys import MasterKeys
from tests.support.databases import TestDatabase
from tests.support.ledger import check_ledger
from tests.support.store import M1, M2, M3, connected, make_merchants

ROOT = Path(__file__).parents[2]
PROCESSES, WRITERS, COMMANDS = 2, 20, 100
KILL_EVERY_SECONDS = 0.04

KILL_ONE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = 'customers_app'
ORDER BY state = 'active' AND query LIKE '%events.append(%' DESC, random()
LIMIT 1
"""


async def start_writers(database: TestDatabase, number: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.writing", database.url,
        str(number), str(WRITERS), str(COMMANDS), M1, M2, M3,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def kill_until(
    admin: asyncpg.Connection[asyncpg.Record], done: asyncio.Future[list[tuple[bytes, bytes]]]
) -> int:
    """Kill one connection of the application after another; how many it were."""
    kills = 0
    while not done.done():
        await asyncio.wait([done], timeout=KILL_EVERY_SECONDS)
        kills += len(await admin.fetch(KILL_ONE))
    return kills


async def write_under_kills(database: TestDatabase, master_text: str) -> tuple[list[dict[str, Any]], int]:
    """What the processes said of their commands, and how many connections were killed meanwhile."""
    processes = [await start_writers(database, number) for number in range(PROCESSES)]
    try:
        async with asyncio.timeout(120), connected(database.admin_url) as admin:
            talks = asyncio.gather(*(process.communicate(master_text.encode()) for process in processes))
            kills = await kill_until(admin, talks)
            said = await talks
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert [process.returncode for process in processes] == [0] * PROCESSES, said
    lines = b"".join(out for out, _ in said).splitlines()
    return [orjson.loads(line) for line in lines], kills


async def test_every_acknowledged_append_is_stored_exactly_once_whatever_connections_die(
    database: TestDatabase,
) -> None:
    await make_merchants(database, M1, M2, M3)
    master_text = MasterKeys.generate_text()
    said, kills = await write_under_kills(database, master_text)
    assert len(said) == PROCESSES * WRITERS * COMMANDS
    assert kills > 10

    counts = await check_ledger(database.admin_url, MasterKeys.from_text(master_text), published=False)
    async with connected(database.admin_url) as admin:
        events = await admin.fetch(
            "SELECT metadata, originator_version, position FROM events.customer_events"
        )
        keys = {row["key"].hex() for row in await admin.fetch("SELECT key FROM events.idempotency_keys")}
    stored = {orjson.loads(event["metadata"])["name"]: event for event in events}
    assert len(stored) == len(events) == sum(counts.values())

    acknowledged = [one for one in said if one.get("event")]
    in_doubt = {one["name"] for one in said if one["kind"] == "in_doubt"}
    for one in acknowledged:
        event = stored[one["name"]]
        assert (event["originator_version"], event["position"]) == (one["version"], one["position"])
    assert set(stored) - {one["name"] for one in acknowledged} <= in_doubt

    kinds = Counter(one["kind"] for one in said)
    assert kinds["appended"] > 100
    assert kinds["version_conflict"] > 0
    assert kinds["email_taken"] > 0
    done = {"appended", "already", "replayed"}
    assert {one["key"] for one in said if one["kind"] in done and one["key"]} <= keys
    refused = {"version_conflict", "email_taken"}
    assert keys.isdisjoint(one["key"] for one in said if one["kind"] in refused)
