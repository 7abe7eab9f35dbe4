"""Everything once more: the read model rebuilt, customers replayed, the two compared.

Comes in: a store of its own with many customers, an event each: the dearest there is. Goes out: facts, in
events a second from a command's start to its end, in events by a second of its own processor time, and in
memory.
"""

from __future__ import annotations

from tests.benchmarks.bench import Bench
from tests.benchmarks.commands import run_command
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.ours import master_keys, prepare
from tests.benchmarks.results import Fact
from tests.benchmarks.stock import stock

NAME = "rebuild"
EVENTS_A_SECOND = 40_000.0
MEMORY_MIB = 300.0


async def run(bench: Bench) -> None:
    """Fill, then measure one after another."""
    merchants = sorted(await prepare(bench.databases, bench.directory, bench.plan.merchants, NAME))
    with bench.console.status(f"{NAME}: {bench.plan.events:,} events"):
        async with bench.databases.connected(NAME) as connection:
            await stock(connection, merchants, master_keys(bench.directory), bench.plan.events)
    events = await bench.databases.rows(NAME, "events.customer_events") or 0
    await _measure(bench, "rebuild customers", events, ("rebuild", "customers"), EVENTS_A_SECOND)
    each = events // len(merchants)
    first = ("replay", "--merchant", merchants[0])
    to = ("--to", str(bench.directory / "customers.jsonl"))
    await _measure(bench, "replay", each, (*first, *to))
    await _measure(bench, "replay --compare", each, (*first, "--compare"))
    if await bench.databases.rows(NAME, "projections.customers") != events:
        raise BenchmarkFailed("the read model does not have each customer")


async def _measure(
    bench: Bench, title: str, events: int, command: tuple[str, ...], at_least: float | None = None
) -> None:
    await bench.settle(NAME)
    with bench.console.status(f"{NAME}: {title}"):
        ran = await run_command(bench, NAME, *command)
    of = f"{title}, {events:,} events"
    bench.keep(Fact(of, events / ran.seconds, "events/s", at_least=at_least))
    bench.keep(Fact(f"{of}, by a second of our processes' own time", events / ran.own_seconds, "events"))
    bench.keep(Fact(f"{of}: memory of all processes", ran.peak / 2**20, "MiB", at_most=MEMORY_MIB))
