"""The audit of a large ledger: how fast `customers verify` recomputes it, and in how much memory.

Comes in: a database of its own, filled by COPY. Goes out: facts; then the same against a checkpoint, which
also grows the Merkle tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from events.ids import CUSTOMER_PREFIX, make_id
from events.ledger import first_hash, leaf_hash, next_hash
from tests.benchmarks.bench import Bench
from tests.benchmarks.commands import run_command
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.ours import prepare
from tests.benchmarks.results import Fact

NAME = "verify"
TARGET = 100_000  # events/s
MEMORY_MIB = 120.0
STATE = b'{"members": "those of a usual customer", "blob": "%b"}' % (b"x" * 500)
METADATA = b'{"actor": "key_benchmark", "request": "%b"}' % (b"x" * 150)
COLUMNS = (
    "originator_id",
    "originator_version",
    "topic",
    "state",
    "merchant_id",
    "position",
    "recorded_at",
    "hash",
    "metadata",
)
KEYS = """
INSERT INTO events.customer_keys (merchant_id, customer_id, wrapped_key, master_version)
SELECT merchant_id, originator_id, 'never opened', 1 FROM events.customer_events
WHERE merchant_id = $1 AND originator_version = 1
"""
HEAD = "UPDATE events.merchants SET position = $2, recorded_at = $3, hash = $4 WHERE id = $1"


async def run(bench: Bench) -> None:
    """Fill a ledger, verify it, sign it, verify it against what was signed."""
    merchant_id = next(iter(await prepare(bench.databases, bench.directory, 1, NAME)))
    await fill(bench, merchant_id)
    kept = bench.directory / "checkpoint.jsonl"
    await bench.settle(NAME)
    await verify(bench, "Verify")
    await run_command(bench, NAME, "checkpoint", "--to", str(kept))
    await verify(bench, "Verify against a checkpoint", "--checkpoint", str(kept))


async def verify(bench: Bench, title: str, *options: str) -> None:
    """Keep rate and memory. Raises BenchmarkFailed unless everything was looked at and is well."""
    ran = await run_command(bench, NAME, "verify", "--json", *options)
    report = orjson.loads(ran.said)
    if not report["ok"] or report["events"] != bench.plan.ledger:
        raise BenchmarkFailed(f"{title}: {report}")
    bench.keep(Fact(title, report["events"] / report["seconds"], "events/s", at_least=TARGET))
    bench.keep(Fact(f"{title}: memory of the process", ran.peak / 2**20, "MiB", MEMORY_MIB))


async def fill(bench: Bench, merchant_id: str) -> None:
    """A chained ledger, and its head."""
    async with bench.databases.connected(NAME) as connection:
        last: list[Any] = []
        rows = ledger(merchant_id, bench.plan.ledger, last)
        await connection.copy_records_to_table(
            "customer_events", schema_name="events", columns=COLUMNS, records=rows, timeout=600
        )
        await connection.execute(HEAD, merchant_id, *last)
        await connection.execute(KEYS, merchant_id)
        await connection.execute("VACUUM ANALYZE events.customer_events, events.customer_keys")


def ledger(merchant_id: str, count: int, last: list[Any]) -> Iterator[tuple[Any, ...]]:
    """So many events, five of each customer; `last` gets the last one's position, time and hash."""
    digest, moment = first_hash(merchant_id), 1_700_000_000_000_000
    for position in range(1, count + 1):
        customer, version = divmod(position - 1, 5)
        customer_id = make_id(CUSTOMER_PREFIX, customer, bytes(10))
        topic = "CustomerUpdated" if version else "CustomerCreated"
        moment += 1000
        leaf = leaf_hash(position, moment, customer_id, version + 1, topic, METADATA, STATE)
        digest = next_hash(digest, leaf)
        yield customer_id, version + 1, topic, STATE, merchant_id, position, moment, digest, METADATA
    last[:] = position, moment, digest
