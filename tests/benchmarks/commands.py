"""A command of ours that ends, on the database of a benchmark: what it said, and what it took.

Comes in: the command's arguments. Goes out: its output, the largest memory of it and its children together,
the processor time of all of them, and how long it took from start to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from typing import NamedTuple

import psutil

from tests.benchmarks.bench import Bench
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.ours import CUSTOMERS, environment

SAMPLE_SECONDS = 0.05


class Ran(NamedTuple):
    """A command that succeeded. Memory in bytes; `own_seconds` of its processes, not of PostgreSQL's."""

    said: bytes
    peak: int
    own_seconds: float
    seconds: float


async def run_command(bench: Bench, name: str, *arguments: str) -> Ran:
    """Run it on the database of this name. Raises BenchmarkFailed when it fails."""
    began, before = time.perf_counter(), _seconds_of_children()
    administrator = {"CUSTOMERS_ADMIN_DATABASE_URL": bench.databases.url(name)}
    process = await asyncio.create_subprocess_exec(
        *CUSTOMERS,
        *arguments,
        env=environment(bench.databases, bench.directory, name) | administrator,
        stdout=asyncio.subprocess.PIPE,
    )
    ended, peak = asyncio.ensure_future(process.communicate()), 0
    watched = psutil.Process(process.pid)
    while not ended.done():
        await asyncio.wait([ended], timeout=SAMPLE_SECONDS)
        peak = max(peak, _memory(watched))
    said, _ = await ended
    if process.returncode:
        raise BenchmarkFailed(f"customers {' '.join(arguments)} ended with status {process.returncode}")
    return Ran(said, peak, _seconds_of_children() - before, time.perf_counter() - began)


def _memory(process: psutil.Process) -> int:
    """Resident bytes of a process and its children; pages that they share count for each."""
    memory = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in (process, *process.children(recursive=True)):
            memory += one.memory_info().rss
    return memory


def _seconds_of_children() -> float:
    """Of all that have ended, and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
