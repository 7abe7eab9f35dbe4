"""Everything once more: the read model rebuilt, customers replayed, the two compared.

Comes in: a store full of new customers. Goes out: facts, in events a second of this process on this server.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from io import BytesIO

import psutil

from events.database import Database
from projections.rebuild_customers import rebuild_customers
from service.replaying import Selection, compare_customers, write_customers
from tests.benchmarks.backlog import fill
from tests.benchmarks.bench import Bench
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.ours import APPLICATION_ROLE, master_keys
from tests.benchmarks.results import Fact

NAME = "rebuild"
EVENTS_A_SECOND = 40_000.0


async def run(bench: Bench) -> None:
    """Fill, then measure one after another."""
    known = await fill(bench, NAME)
    merchants = sorted({one.merchant_id for one in known})
    keys = master_keys(bench.directory)
    admin_url, url = bench.databases.url(NAME), bench.databases.url(NAME, APPLICATION_ROLE)
    async with Database.connect(url) as database:

        async def replay(tell: Callable[[int], None]) -> None:
            for one in merchants:
                await write_customers(database, keys, Selection(one), BytesIO(), tell, with_tombstones=True)

        async def compare(tell: Callable[[int], None]) -> None:
            for one in merchants:
                outcome = await compare_customers(database, keys, Selection(one), tell)
                if outcome.complaints:
                    raise BenchmarkFailed(f"the read model differs: {outcome.complaints[0]}")

        await _measure(bench, "rebuild customers", lambda tell: rebuild_customers(admin_url, keys, tell))
        await _measure(bench, "replay", replay)
        await _measure(bench, "replay --compare", compare)


async def _measure(
    bench: Bench, title: str, work: Callable[[Callable[[int], None]], Awaitable[None]]
) -> None:
    await bench.settle(NAME)
    events = 0

    def tell(more: int) -> None:
        nonlocal events
        events += more

    began, before = time.perf_counter(), _processor_seconds()
    with bench.console.status(f"{NAME}: {title}"):
        await work(tell)
    seconds, own = time.perf_counter() - began, _processor_seconds() - before
    bench.keep(Fact(title, events / seconds, "events/s", at_least=EVENTS_A_SECOND))
    bench.keep(Fact(f"{title}, by a second of our process's own time", events / own, "events"))


def _processor_seconds() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system
