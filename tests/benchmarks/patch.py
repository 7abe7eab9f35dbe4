"""PATCH on known customers, a real change each time, against the UPDATE of plain CRUD."""

from __future__ import annotations

from tests.benchmarks.bench import Bench, Side
from tests.benchmarks.contenders import OURS
from tests.benchmarks.customers import CHANGE, known
from tests.benchmarks.load import Load

TARGETS = {"P1": 1.0, "P1-lean": None}


async def run(bench: Bench) -> None:
    """Compare changes with every peer that updates."""
    sides = [
        Side(
            name,
            contender,
            Load(contender.url, "PATCH", await known(bench, contender), CHANGE),
            TARGETS.get(name),
            grows=name == OURS,  # an event for each change; a peer overwrites its row
        )
        for name, contender in bench.contenders.items()
        if name == OURS or name in TARGETS
    ]
    await bench.compare("PATCH", sides)
