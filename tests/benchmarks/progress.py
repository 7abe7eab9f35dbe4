"""How fast something gets through a known number of messages: watched from its first to its last.

Comes in: how far it is, asked again and again, and the processes whose time it costs. Goes out: facts. What
comes before the first is a start, and is not counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import psutil

from tests.benchmarks.bench import Bench
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.results import Fact

LIMIT_SECONDS = 120
POLL_SECONDS = 0.01

Processes = Mapping[str, Callable[[], Sequence[psutil.Process]]]
"""By name, processes as they are at the time."""


async def watch(
    bench: Bench,
    title: str,
    unit: str,
    *,
    reached: Callable[[], Awaitable[int]],
    until: int,
    at_least: float,
    processes: Processes,
) -> None:
    """Keep the rate, and the processor time of each, from when it moves until it is there.

    Raises BenchmarkFailed when it does not get there, or arrives in a single step, which tells no rate.
    """
    start = await _moved(title, reached, 1)
    began, before = time.perf_counter(), _costs(processes)
    end = await _moved(title, reached, until)
    seconds, after = time.perf_counter() - began, _costs(processes)
    count = end - start
    if end > until or not count:
        raise BenchmarkFailed(f"{title}: {end} of {until} were there, {count} of them while watched")
    bench.keep(Fact(title, count / seconds, f"{unit}/s", at_least=at_least))
    for name in processes:
        milliseconds = (after[name] - before[name]) / count * 1e6
        bench.keep(Fact(f"{title}: processor time per 1,000 {unit}, {name}", milliseconds, "ms"))


async def _moved(title: str, reached: Callable[[], Awaitable[int]], goal: int) -> int:
    """Wait until it is there; give how far it is then."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while (now := await reached()) < goal:
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"{title}: {now} of {goal} were there after {LIMIT_SECONDS} s")
        await asyncio.sleep(POLL_SECONDS)
    return now


def _costs(processes: Processes) -> dict[str, float]:
    return {name: cpu_seconds(those()) for name, those in processes.items()}
