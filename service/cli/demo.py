"""`customers demo`: invented customers, charges and invoices, so that a newcomer sees stats move.

In: a running `customers up`, how much. Out: its state every second on the terminal, and a summary.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import nullcontext
from random import Random
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from service.cli.options import DataDir
from service.cli.running import run_until_signal
from service.demo.load import Load
from service.demo.run import Plan, find_running, run_demo
from service.embedded.data_directory import Announcement
from service.settings import load_settings

Rate = Annotated[float, typer.Option(min=0.1, max=1000, help="Charge and invoice events a second.")]
Customers = Annotated[int, typer.Option(min=1, max=100_000, help="Customers to create first.")]
Seconds = Annotated[
    float | None,
    typer.Option(min=0, help="How long it runs (default: until Ctrl-C).", show_default=False),
]


def demo(
    data_dir: DataDir = None, rate: Rate = 20, customers: Customers = 50, seconds: Seconds = None
) -> None:
    """Create customers on a running `customers up` and publish charges and invoices for them."""
    running = find_running(load_settings(data_dir=data_dir))
    plan = Plan(rate, customers, seconds)
    board = Board(running)

    async def work(stop: asyncio.Event) -> Load:
        return await run_demo(running, plan, Random(), stop=stop, tell=board.tell)  # noqa: S311 - a game

    with board.live or nullcontext():
        load = run_until_signal(work)
    typer.echo(summary(load, running))


class Board:
    """What is shown while it runs: in a terminal one line that changes, in a pipe a line every second."""

    def __init__(self, running: Announcement) -> None:
        self._running = running
        self._began = time.monotonic()
        self._sample_is_shown = False
        self._console = Console(highlight=False, markup=False)
        self.live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None

    def tell(self, load: Load) -> None:
        """Show how far it is."""
        if load.customers and not self._sample_is_shown:
            self._sample_is_shown = True
            # Never wrapped: it is to be copied.
            self._console.print(
                f"See one customer's stats move:\n{sample(load, self._running)}", soft_wrap=True
            )
        line = progress(load, time.monotonic() - self._began)
        if self.live is not None:
            self.live.update(Text(line), refresh=True)
        else:
            typer.echo(line)
            sys.stdout.flush()


def progress(load: Load, seconds: float) -> str:
    """One line of counters."""
    totals = load.totals
    return (
        f"{seconds:4.0f} s   {totals.customers} customers   "
        f"{totals.charges} charges ({totals.charge_events} events)   "
        f"{totals.invoices} invoices ({totals.invoice_events} events)"
    )


def sample(load: Load, running: Announcement) -> str:
    """The command that shows one customer with its stats."""
    url = f"{running.url}/v1/customers/{load.customers[0]}?expand=stats"
    return f"  curl -s '{url}' -H 'X-API-Key: {running.api_key}'"


def summary(load: Load, running: Announcement) -> str:
    """What was done, and what has to come of it."""
    totals = load.totals
    lines = [
        f"Created {totals.customers} customers, changed {totals.changes}, deleted {totals.deletions}.",
        (
            f"Published {totals.charge_events} events of {totals.charges} charges "
            f"and {totals.invoice_events} of {totals.invoices} invoices."
        ),
    ]
    if load.customers:
        stats = totals.of(load.customers[0]).rendered()
        shown = ", ".join(f"{name} {value}" for name, value in stats.items())
        lines += [f"The sample customer's stats are to be {shown}:", sample(load, running)]
    return "\n".join(lines)
