"""The workers: how fast a full stream gets into the read models, of customers and of their charges."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import psutil

from projections import customers
from tests.benchmarks.backlog import fill
from tests.benchmarks.bench import Bench
from tests.benchmarks.charges import DURABLE, STREAM, publish_charges
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.ours import working
from tests.benchmarks.progress import watch
from tests.benchmarks.relay import published

NAME = "worker"
TARGET = 10_000  # messages/s
REACHED = "SELECT coalesce(sum(position), 0)::bigint FROM projections.progress WHERE projection = $1"
ROWS = "projections.customers"
STATS = "SELECT sum(charge_count)::bigint, sum(total_spent) FROM projections.customer_stats"


async def run(bench: Bench) -> None:
    """Fill the streams, then let one process take in first the one, then the other."""
    known = await fill(bench, NAME)
    nats_url = await bench.broker.emptied()
    async with working("relay", bench.databases, bench.directory, name=NAME, nats_url=nats_url):
        await published(bench, NAME, bench.broker)
    async with bench.databases.connected(NAME) as connection:

        async def projected() -> int:
            return int(await connection.fetchval(REACHED, customers.NAME))

        await _project(bench, nats_url, "Customers projection, from a full stream", "events", projected)
        if await bench.databases.rows(NAME, ROWS) != len(known):
            raise BenchmarkFailed("the read model does not hold every customer once")

        async def acknowledged() -> int:
            return await bench.broker.acknowledged(STREAM, DURABLE)

        with bench.console.status(f"{NAME}: publishing {bench.plan.backlog:,} messages about charges"):
            expected = await publish_charges(nats_url, known, bench.plan.backlog)
        await _project(bench, nats_url, "Billing projection, from a full stream", "messages", acknowledged)
        if (counted := tuple(await connection.fetchrow(STATS))) != expected:
            raise BenchmarkFailed(f"the stats should amount to {expected}, and amount to {counted}")


async def _project(
    bench: Bench, nats_url: str, title: str, unit: str, reached: Callable[[], Awaitable[int]]
) -> None:
    await bench.settle(NAME)
    async with working("project", bench.databases, bench.directory, name=NAME, nats_url=nats_url) as project:
        process = psutil.Process(project.pid)
        await watch(
            bench,
            title,
            unit,
            reached=reached,
            until=bench.plan.backlog,
            at_least=TARGET,
            processes={"the worker": lambda: [process], "PostgreSQL": bench.databases.processes},
        )
