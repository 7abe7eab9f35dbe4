"""Results for people: one table for each comparison, printed as soon as it is known. And the JSON file."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from rich.table import Table

from tests.benchmarks.results import Comparison, Fact, Ratio

if TYPE_CHECKING:
    from rich.console import Console

    from tests.benchmarks.bench import Plan


def print_result(console: Console, result: Comparison | Fact) -> None:
    """Print what one benchmark found."""
    if isinstance(result, Fact):
        value = f"{result.value:,.0f}" if abs(result.value) >= 1000 else f"{result.value:.2f}"
        console.print(f"{result.title}: {value} {result.unit}{_limit(result)}", soft_wrap=True)
    else:
        console.print(_table(result), "")


def write_json(path: Path, plan: Plan, commit_milliseconds: float, results: list[Comparison | Fact]) -> None:
    """Write everything that was measured, with what is needed to judge it."""
    content = {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "commitMs": commit_milliseconds,
        "plan": asdict(plan),
        "results": [result.as_json() for result in results],
    }
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _limit(fact: Fact) -> str:
    limits = [f"at most {fact.at_most:g}"] if fact.at_most is not None else []
    limits += [f"at least {fact.at_least:,.0f}"] if fact.at_least is not None else []
    return f" ({', '.join(limits)}){_mark(fact.met)}" if limits else ""


def _table(comparison: Comparison) -> Table:
    table = Table(title=f"{comparison.title}, {comparison.connections} connections", title_justify="left")
    table.add_column("who")
    for column in ("req/s", "p50 ms", "p99 ms", "ratio", "rounds", "target"):
        table.add_column(column, justify="right")
    ratios = {ratio.rival: ratio for ratio in comparison.ratios}
    for side in comparison.measurements:
        summary = comparison.summary(side)
        figures = (f"{summary.rate:,.0f}", f"{summary.p50:.2f}", f"{summary.p99:.2f}")
        table.add_row(side, *figures, *_ratio_cells(ratios.get(side)))
    return table


def _ratio_cells(ratio: Ratio | None) -> tuple[str, str, str]:
    if ratio is None:
        return "", "", ""
    spread = f"{min(ratio.rounds):.2f}-{max(ratio.rounds):.2f}"
    target = "" if ratio.target is None else f"≥ {ratio.target:g}{_mark(ratio.met)}"
    return f"{ratio.median:.2f}x", spread, target


def _mark(met: bool | None) -> str:
    return {True: " [green]met[/]", False: " [red]missed[/]", None: ""}[met]
