"""POST at full load while relay and worker follow, against plain CRUD: do they keep up, at what cost?

Comes in: an API with relay and worker of its own, and P1. Goes out: a comparison, and how far the two fell
behind.
"""

from __future__ import annotations

import asyncio

from tests.benchmarks.bench import Bench, Side
from tests.benchmarks.contenders import OURS, Contender
from tests.benchmarks.customers import creates
from tests.benchmarks.following import Lag, following, lag
from tests.benchmarks.load import Measurement
from tests.benchmarks.ours import ours
from tests.benchmarks.results import Comparison, Fact, Ratio
from tests.benchmarks.waiting import until

NAME = "sustained"
RIVAL = "P1"
TARGET = 0.8
CONNECTIONS = 32
SAMPLE_SECONDS = 1.0


async def run(bench: Bench) -> None:
    """Measure in turn; relay and worker of ours do not run while the other is measured."""
    nats_url = await bench.broker.emptied()
    measured: dict[str, list[Measurement]] = {OURS: []}
    async with ours(bench.databases, bench.directory, bench.plan.merchants, name=NAME) as api:
        for number in range(1, bench.plan.rounds + 1):
            with bench.console.status(f"{NAME}, round {number}: {OURS}"):
                async with following(bench, NAME, nats_url):
                    measured[OURS].append(await _followed(bench, api, number))
            if RIVAL in bench.contenders:
                with bench.console.status(f"{NAME}, round {number}: {RIVAL}"):
                    rival = await _measure(bench, RIVAL, bench.contenders[RIVAL])
                measured.setdefault(RIVAL, []).append(rival)
    rounds = zip(measured[OURS], measured.get(RIVAL, []), strict=False)
    ratios = [Ratio(RIVAL, [a.rate / b.rate for a, b in rounds], TARGET)] if RIVAL in measured else []
    title = f"POST with relay and worker for {bench.plan.steady:g} s, {bench.plan.merchants} merchants"
    bench.keep(Comparison(title, CONNECTIONS, measured, ratios))


async def _followed(bench: Bench, api: Contender, number: int) -> Measurement:
    """Measure ours, keep how far behind the two fell meanwhile, and wait until they have caught up."""
    async with bench.databases.connected(NAME) as connection:
        load = asyncio.create_task(_measure(bench, OURS, api))
        lags: list[Lag] = []
        while not load.done():
            lags.append(await lag(connection))
            await asyncio.wait([load], timeout=SAMPLE_SECONDS)
        measurement = await load
        lags.append(await lag(connection))

        async def is_even() -> bool:
            return not any(await lag(connection))

        seconds = await until(is_even, f"{NAME}: relay and worker at the end of what is stored")
    _keep(bench, f"Round {number}", lags, seconds)
    return measurement


async def _measure(bench: Bench, name: str, contender: Contender) -> Measurement:
    side = Side(name, contender, creates(contender), grows=True)
    return await bench.measure(side, CONNECTIONS, bench.plan.steady)


def _keep(bench: Bench, when: str, lags: list[Lag], seconds: float) -> None:
    for what, behind in (
        ("outbox", [one.outbox for one in lags]),
        ("read model", [one.read_model for one in lags]),
    ):
        bench.console.print(
            f"{when}, {what} behind, each second: {' '.join(map(str, behind))}", soft_wrap=True
        )
        bench.keep(Fact(f"{when}, {what} behind at most", max(behind), "events"))
        bench.keep(Fact(f"{when}, {what} behind at the end of the load", behind[-1], "events"))
    bench.keep(Fact(f"{when}, caught up after the end of the load", seconds, "s"))
