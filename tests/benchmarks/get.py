"""GET by id of random known customers: against plain CRUD, and against a constant answer of the same size.

Measured with an empty read model, when ours folds every customer from its events, and with a full one.
"""

from __future__ import annotations

import asyncio
import time

from tests.benchmarks.bench import Bench, Side
from tests.benchmarks.contenders import OURS
from tests.benchmarks.customers import known
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.load import Load
from tests.benchmarks.ours import working

TARGETS = {"P1": 2.0, "P1-lean": None, "P2": None, "P3": None, "P4": 0.6}
CONSTANT = "P4"
CUSTOMERS = "events.customer_keys"  # one row a customer
READ_MODEL = "projections.customers"
CATCH_UP_SECONDS = 60


async def run(bench: Bench) -> None:
    """Compare reads with every peer, before and after the projection."""
    ours = bench.contenders[OURS]
    paths = await known(bench, ours)
    sides = [Side(OURS, ours, Load(ours.url, "GET", paths))]
    for name, contender in bench.contenders.items():
        if name in TARGETS:
            targets = paths if name == CONSTANT else await known(bench, contender)
            sides.append(Side(name, contender, Load(contender.url, "GET", targets), TARGETS[name]))
    await bench.compare("GET by id, read model empty", sides)
    async with working("project", bench.databases, bench.directory):
        await _until_filled(bench)
    await bench.compare("GET by id, read model filled", sides)


async def _until_filled(bench: Bench) -> None:
    """Wait until the read model holds every customer that the store holds."""
    customers = await bench.databases.rows(OURS, CUSTOMERS) or 0
    deadline = time.monotonic() + CATCH_UP_SECONDS
    with bench.console.status(f"filling the read model with {customers:,} customers"):
        while (await bench.databases.rows(OURS, READ_MODEL) or 0) < customers:
            if time.monotonic() > deadline:
                raise BenchmarkFailed(f"the read model was not full after {CATCH_UP_SECONDS} s")
            await asyncio.sleep(0.2)
