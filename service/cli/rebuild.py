"""`customers rebuild`: a read model made anew, under traffic.

In: which one. Out: its tables as everything that was stored says they should be.
"""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from events.database import Database
from events.ledgers import count_events
from events.memory import settle_memory
from events.replay import Tell
from projections.queries import INBOX_SIZE
from projections.rebuild.rebuild_billing import rebuild_billing
from projections.rebuild.rebuild_customers import rebuild_customers
from service.cli.options import DataDir
from service.cli.progress import progress
from service.cli.running import run
from service.databases import find_database
from service.logs import configure_logs
from service.master_key import load_master_keys
from service.settings import Settings, load_settings


class ReadModel(StrEnum):
    """Those that there are."""

    CUSTOMERS = "customers"
    BILLING = "billing"


Which = Annotated[
    ReadModel,
    typer.Argument(
        metavar="READ_MODEL", help="The one to make anew: customers or billing.", show_default=False
    ),
]


def rebuild(which: Which, data_dir: DataDir = None) -> None:
    """Make a read model anew beside the live one, and swap them. Everything else goes on meanwhile.

    Needs CUSTOMERS_ADMIN_DATABASE_URL, as `migrate` does.
    """
    settings = load_settings(data_dir=data_dir)
    configure_logs(settings.log_level)
    began = time.monotonic()
    events = run(_rebuild(settings, which))
    seconds = time.monotonic() - began
    typer.echo(f"{which}: rebuilt from {events:,} events in {seconds:.1f} s")


async def _rebuild(settings: Settings, which: ReadModel) -> int:
    """How many events were applied."""
    settle_memory()
    url = find_database(settings).administrator
    applied = 0
    with progress(f"rebuilding {which}", await _size(url, which)) as advance:

        def tell(more: int) -> None:
            nonlocal applied
            applied += more
            advance(more)

        await _run(settings, url, which, tell)
    return applied


async def _run(settings: Settings, url: str, which: ReadModel, tell: Tell) -> None:
    if which is ReadModel.CUSTOMERS:
        await rebuild_customers(url, load_master_keys(settings), tell)
    else:
        await rebuild_billing(url, tell)


async def _size(url: str, which: ReadModel) -> int:
    """About how many events there are to apply."""
    async with Database.connect(url, size=1) as database:
        if which is ReadModel.CUSTOMERS:
            return await count_events(database, None)
        return int((await database.fetch(INBOX_SIZE))[0]["events"])
