"""What a benchmark finds: comparisons under load and single figures, with the targets they are held to."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.load import Measurement


@dataclass(frozen=True)
class Ratio:
    """The first side's rate as a multiple of a rival's, round by round."""

    rival: str
    rounds: list[float]
    target: float | None

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; None when there is none."""
        return None if self.target is None else self.median >= self.target


@dataclass(frozen=True)
class Summary:
    """Medians over the rounds: answers a second, latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Comparison:
    """Sides under the same load; the ratios are the first side's to each of the others."""

    title: str
    connections: int
    measurements: dict[str, list[Measurement]]
    ratios: list[Ratio]

    @property
    def met(self) -> bool | None:
        """Whether all targets were reached; None when there is none."""
        verdicts = [ratio.met for ratio in self.ratios if ratio.met is not None]
        return all(verdicts) if verdicts else None

    def summary(self, side: str) -> Summary:
        """Give the medians of one side."""
        rounds = self.measurements[side]
        return Summary(
            rate=statistics.median(m.rate for m in rounds),
            p50=statistics.median(m.p50 for m in rounds),
            p99=statistics.median(m.p99 for m in rounds),
        )

    def as_json(self) -> dict[str, Any]:
        """Give everything that was measured, for the JSON file."""
        return {
            "title": self.title,
            "connections": self.connections,
            "sides": {
                side: [
                    {"rate": m.rate, "p50Ms": m.p50, "p99Ms": m.p99, "slowestMs": m.slowest} for m in rounds
                ]
                for side, rounds in self.measurements.items()
            },
            "ratios": [
                {"to": r.rival, "median": r.median, "rounds": r.rounds, "target": r.target, "met": r.met}
                for r in self.ratios
            ],
        }


@dataclass(frozen=True)
class Fact:
    """One figure that is not a ratio, and the most or the least it may be."""

    title: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether it stays within its limits; None when there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    def as_json(self) -> dict[str, Any]:
        """Give the figure for the JSON file."""
        return {
            "title": self.title,
            "value": self.value,
            "unit": self.unit,
            "atMost": self.at_most,
            "atLeast": self.at_least,
            "met": self.met,
        }
