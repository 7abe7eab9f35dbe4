"""What a service costs: seconds until ready, then memory and processor time while 128 clients create.

Comes in: our contender and P1, if it runs. Goes out: facts, with the limits that ours has to keep.
"""

from __future__ import annotations

import asyncio

import psutil

from tests.benchmarks.bench import Bench
from tests.benchmarks.contenders import OURS, Contender
from tests.benchmarks.customers import creates
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.results import Fact

CONNECTIONS = 128
READY_SECONDS = 1.5
MEMORY_MIB = 150.0
SAMPLE_SECONDS = 0.1


async def run(bench: Bench) -> None:
    """Report ours, and plain CRUD beside it."""
    ours = bench.contenders[OURS]
    bench.keep(Fact("Ready after start", ours.process.seconds_to_ready, "s", READY_SECONDS))
    await _under_load(bench, ours, MEMORY_MIB)
    if "P1" in bench.contenders:
        await _under_load(bench, bench.contenders["P1"], None)


async def _under_load(bench: Bench, contender: Contender, memory_limit: float | None) -> None:
    api = psutil.Process(contender.process.pid)
    await bench.settle(contender.name)
    before = cpu_seconds([api]), cpu_seconds(bench.databases.processes())
    load = asyncio.create_task(bench.fire(creates(contender), CONNECTIONS, bench.plan.seconds))
    peak = 0
    while not load.done():
        await asyncio.wait([load], timeout=SAMPLE_SECONDS)
        peak = max(peak, api.memory_info().rss)
    requests = (await load).requests
    after = cpu_seconds([api]), cpu_seconds(bench.databases.processes())
    where = f"{contender.name}, POST at {CONNECTIONS} connections"
    bench.keep(Fact(f"{where}: memory of the process", peak / 2**20, "MiB", memory_limit))
    for title, start, end in zip(("the process", "PostgreSQL"), before, after, strict=True):
        bench.keep(Fact(f"{where}: processor time a request, {title}", (end - start) / requests * 1e6, "µs"))
