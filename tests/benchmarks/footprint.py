"""What our API process costs: seconds from its start until ready, memory under 128 connections."""

from __future__ import annotations

import asyncio

import psutil

from tests.benchmarks.bench import Bench
from tests.benchmarks.contenders import OURS, Contender
from tests.benchmarks.customers import creates
from tests.benchmarks.results import Fact

CONNECTIONS = 128
READY_SECONDS = 1.5
MEMORY_MIB = 150.0
SAMPLE_SECONDS = 0.1


async def run(bench: Bench) -> None:
    """Report both figures of ours, and a CRUD service's memory beside them."""
    ours = bench.contenders[OURS]
    bench.keep(Fact("Ready after start", ours.process.seconds_to_ready, "s", READY_SECONDS))
    bench.keep(Fact("Memory at 128 connections", await _peak_memory(bench, ours), "MiB", MEMORY_MIB))
    for name in bench.contenders.keys() & {"P1"}:
        memory = await _peak_memory(bench, bench.contenders[name])
        bench.keep(Fact(f"Memory at 128 connections, {name}", memory, "MiB"))


async def _peak_memory(bench: Bench, contender: Contender) -> float:
    process = psutil.Process(contender.process.pid)
    load = asyncio.create_task(bench.fire(creates(contender), CONNECTIONS, bench.plan.seconds))
    peak = process.memory_info().rss
    while not load.done():
        await asyncio.wait([load], timeout=SAMPLE_SECONDS)
        peak = max(peak, process.memory_info().rss)
    await load
    return peak / 2**20
