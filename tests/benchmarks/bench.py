"""One run: its plan, its contenders, and the way they are compared.

Comes in: the plan of the command line. Goes out: results, printed as they are found and kept for the file.
Measurements alternate A B A B, each after a warm-up of its own; ratios are taken round by round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.load import Load, Measurement, fire, probe
from tests.benchmarks.quiet import until_quiet
from tests.benchmarks.report import print_result
from tests.benchmarks.results import Comparison, Fact, Ratio

if TYPE_CHECKING:
    from rich.console import Console

    from tests.benchmarks.broker import Broker
    from tests.benchmarks.contenders import Contender
    from tests.benchmarks.database import Databases


@dataclass(frozen=True)
class Plan:
    """How much to measure; times in seconds."""

    rounds: int = 3
    seconds: float = 10
    warm_up: float = 2
    quiet: float = 30
    connections: tuple[int, ...] = (32, 128)
    merchants: int = 8
    customers: int = 10_000
    backlog: int = 50_000
    """Events that wait for the relay, and messages that wait for a worker."""
    ledger: int = 1_000_000
    """Events of the ledger that is verified."""
    events: int = 200_000
    """Of the store that is rebuilt and replayed."""
    steady: float = 20
    """How long a load lasts that has to be kept up with."""
    versions: int = 10_000
    """Of the customer whose history is read."""
    streams: int = 1_000
    """Clients that follow the events of one merchant."""


QUICK = Plan(
    rounds=1,
    seconds=3,
    warm_up=1,
    quiet=3,
    connections=(32,),
    backlog=5_000,
    ledger=50_000,
    events=50_000,
    steady=5,
    versions=1_000,
    streams=200,
)


@dataclass(frozen=True)
class Side:
    """One contender under one load.

    `target`: the multiple of this side's rate that the first side of the comparison has to reach.
    `grows`: each request adds one row to the contender's table, which is then counted.
    """

    name: str
    contender: Contender
    load: Load
    target: float | None = None
    grows: bool = False


@dataclass
class Bench:
    """What every benchmark gets: the plan, the running contenders by name, and where results go."""

    plan: Plan
    databases: Databases
    contenders: dict[str, Contender]
    broker: Broker
    directory: Path
    console: Console
    known: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    results: list[Comparison | Fact] = field(default_factory=list)

    async def compare(self, title: str, sides: list[Side]) -> None:
        """Measure the sides in turn at each number of connections; report the first one's ratios."""
        for side in sides:
            await probe(side.load)
        for connections in self.plan.connections:
            measured: dict[str, list[Measurement]] = {side.name: [] for side in sides}
            for number in range(1, self.plan.rounds + 1):
                for side in sides:
                    where = f"{title}, {connections} connections, round {number}: {side.name}"
                    with self.console.status(where):
                        measured[side.name].append(await self.measure(side, connections))
            rates = {name: [m.rate for m in rounds] for name, rounds in measured.items()}
            first = rates[sides[0].name]
            ratios = [
                Ratio(side.name, [a / b for a, b in zip(first, rates[side.name], strict=True)], side.target)
                for side in sides[1:]
            ]
            self.keep(Comparison(title, connections, measured, ratios))

    async def measure(self, side: Side, connections: int, seconds: float | None = None) -> Measurement:
        """Warm up, then measure. Raises BenchmarkFailed when a write was acknowledged and is not there."""
        await self.settle(side.name)
        await self.fire(side.load, connections, self.plan.warm_up)
        before = await self._rows(side)
        measurement = await self.fire(side.load, connections, seconds or self.plan.seconds)
        grown = await self._rows(side) - before
        # What is on its way when a load stops may still be stored: of the warm-up, and of what is measured.
        if side.grows and not measurement.requests <= grown <= measurement.requests + 2 * connections:
            raise BenchmarkFailed(
                f"{side.name} acknowledged {measurement.requests} writes and stored {grown}"
            )
        return measurement

    async def settle(self, name: str) -> None:
        """Let what others left to do end, and let no checkpoint fall into what is measured next."""
        if not await until_quiet(self.plan.quiet):
            self.console.print(f"[yellow]{name}: measured while something else kept the machine busy[/]")
        await self.databases.checkpoint()

    async def fire(self, load: Load, connections: int, seconds: float) -> Measurement:
        """Send a load in this run's directory."""
        return await fire(load, connections=connections, seconds=seconds, directory=self.directory)

    def keep(self, result: Comparison | Fact) -> None:
        """Print a result and keep it."""
        print_result(self.console, result)
        self.results.append(result)

    async def _rows(self, side: Side) -> int:
        if not side.grows or side.contender.table is None:
            return 0
        return await self.databases.rows(side.contender.name, side.contender.table) or 0
