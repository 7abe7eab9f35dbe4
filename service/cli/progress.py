"""How far a long command has come: a bar with rate and time left on a terminal, nothing in a pipe.

It is on stderr, so that what a command prints can be kept while the bar is watched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from events.replay import Tell


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Tell]:
    """A bar for a block; `total` None: nobody knows."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    count = "{task.completed:,}" if total is None else "{task.completed:,}/{task.total:,}"
    columns = (TextColumn(what), BarColumn(), TextColumn(count))
    with Progress(*columns, Rate(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)


class Rate(ProgressColumn):
    """How many a second, as of lately."""

    def render(self, task: Task) -> Text:
        """The column's text."""
        return Text(f"{task.speed or 0:,.0f}/s")
