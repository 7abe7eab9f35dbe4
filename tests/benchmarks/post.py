"""POST: ours against plain CRUD, with the load spread over merchants and with all of it on one."""

from __future__ import annotations

from tests.benchmarks.bench import Bench, Side
from tests.benchmarks.contenders import OURS
from tests.benchmarks.customers import creates

TARGETS = {"P1": 1.5, "P1-lean": None, "P2": 8.0, "P3": 4.0}


async def run(bench: Bench) -> None:
    """Compare creates with every peer that creates."""
    for merchants in (bench.plan.merchants, 1):
        sides = [
            Side(name, contender, creates(contender, merchants=merchants), TARGETS.get(name), grows=True)
            for name, contender in bench.contenders.items()
            if name == OURS or name in TARGETS
        ]
        await bench.compare(f"POST, {merchants} merchant{'s' * (merchants > 1)}", sides)
