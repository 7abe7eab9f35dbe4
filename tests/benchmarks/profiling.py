"""Where our API process spends its time under POST: `py-spy` samples it from outside.

Comes in: the running contenders. Goes out: two tables, functions by own time, and ours by time with callees.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections import Counter
from pathlib import Path

from rich.table import Table

from tests.benchmarks.bench import Bench
from tests.benchmarks.contenders import OURS
from tests.benchmarks.customers import creates
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.processes import ROOT, output_of

SAMPLES_A_SECOND = 250
ROWS = 25
CONNECTIONS = 32
OWN_PACKAGES = ("service", "events", "projections")


def find_py_spy() -> str:
    """Give the path of py-spy. Raises BenchmarkFailed with what to do when it is missing."""
    found = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if found is None:
        raise BenchmarkFailed(f"py-spy is missing: {sys.executable} -m pip install py-spy")
    return found


async def run(bench: Bench) -> None:
    """Profile creates at 32 connections."""
    ours = bench.contenders[OURS]
    stacks = bench.directory / "stacks"
    seconds = max(1, round(bench.plan.seconds))
    options = ["--format", "raw", "--nolineno", "--rate", str(SAMPLES_A_SECOND), "--duration", str(seconds)]
    command = [find_py_spy(), "record", *options, "--output", str(stacks), "--pid", str(ours.process.pid)]
    with bench.console.status("profiling POST"):
        await bench.fire(creates(ours), CONNECTIONS, bench.plan.warm_up)
        load = asyncio.create_task(bench.fire(creates(ours), CONNECTIONS, seconds + 2))
        try:
            await output_of(command, limit_seconds=seconds + 30)
        finally:
            measurement = await load
    bench.console.print(f"POST while profiled: {measurement.rate:,.0f} req/s")
    own, total = count_frames(stacks.read_text())
    samples = sum(own.values())
    bench.console.print(_table("Own time", own.most_common(ROWS), samples))
    ours_total = [item for item in total.most_common() if _is_ours(item[0])][:ROWS]
    bench.console.print(_table("Time with callees, our packages", ours_total, samples))


def count_frames(raw: str) -> tuple[Counter[str], Counter[str]]:
    """Count samples by innermost frame, and by every frame of a stack, from py-spy's `a;b;c count` lines."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        for frame in set(frames):
            total[frame] += int(count)
    return own, total


def _is_ours(frame: str) -> bool:
    return any(f"({prefix}{package}/" in frame for prefix in ("", f"{ROOT}/") for package in OWN_PACKAGES)


def _table(title: str, counted: list[tuple[str, int]], samples: int) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("share", justify="right")
    table.add_column("function")
    for frame, count in counted:
        table.add_row(f"{count / samples:.1%}", frame.replace(f"{ROOT}/", ""))
    return table
