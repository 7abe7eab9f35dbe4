"""`customers erase`: forget a customer for good, or again all those that a restored backup brought back.

In: a customer's id and its merchant's, or the list of erasures. Out: the certificate, or how many were erased
again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import orjson
import typer
from rich.console import Console
from rich.progress import track

from events.customer_key import CustomerKey
from events.database import Database
from events.erasure import Certificate, are_erased
from events.key_checks import check_master_keys
from events.store import EventStore
from service.api_error import ApiError
from service.audit.erasing import Eraser, Request
from service.audit.erasure_list import Cut, ErasureList, cut_line, open_list, read_list
from service.cli.asking import confirm
from service.cli.options import DataDir, Yes
from service.cli.running import run
from service.clock import new_command_id, new_request_id
from service.databases import find_database, named_database
from service.embedded.data_directory import DataDirectory
from service.errors import StartupError
from service.master_key import load_master_keys
from service.settings import Settings, load_settings
from service.up import database

ACTOR = "operator"
"""Who is recorded as having asked, where no API key has."""


class Report(NamedTuple):
    """What became of the customers that a list tells of."""

    listed: int
    again: int
    """Erased now."""
    already: int
    """Erased in this database before."""
    unknown: int
    """Not in this database."""
    cut: Cut | None
    """The line of the list whose end is missing."""


def erase(
    customer_id: Annotated[
        str | None, typer.Argument(metavar="CUS_ID", help="The customer.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    merchant_id: Annotated[
        str | None,
        typer.Option(
            "--merchant",
            metavar="MER_ID",
            help="Whose customer it is; needed with CUS_ID.",
            show_default=False,
        ),
    ] = None,
    yes: Yes = False,
    reapply: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Erase again whom this list of erasures tells to be erased: after a backup was restored.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Erase a customer for good and print the certificate. Nothing brings the person back.

    Who is erased again by --reapply has a second certificate, which fits the ledger as it is now.
    """
    settings = load_settings(data_dir=data_dir)
    if reapply is not None:
        if customer_id or merchant_id:
            raise typer.BadParameter("--reapply takes whom to erase from its file alone")
        report = run(_reapply(settings, reapply))
        typer.echo(told(report))
        if report.cut is not None:
            raise StartupError(
                f"line {report.cut.number} is cut: {reapply} is not whole. Whom that line and any after it "
                "tell of was not erased again: apply a whole copy, too. "
                f"What there is of it: {report.cut.shown}"
            )
        return
    if customer_id is None or merchant_id is None:
        raise typer.BadParameter("name a customer and, by --merchant, whose it is; or give --reapply FILE")
    confirm(f"Erase {customer_id} of {merchant_id} for good?", yes=yes)
    typer.echo(orjson.dumps(run(_erase(settings, CustomerKey(merchant_id, customer_id)))).decode())


def told(report: Report) -> str:
    """A report as one line."""
    return (
        f"{report.listed} listed: {report.again} erased again, {report.already} erased already, "
        f"{report.unknown} not in this database"
    )


async def _erase(settings: Settings, erased: CustomerKey) -> Certificate:
    master_keys = load_master_keys(settings)
    async with _database(settings) as url, Database.connect(url) as db:
        await check_master_keys(db, master_keys)
        listed = None
        if settings.erasure_list is not None:
            listed = await open_list(settings.erasure_list, db, master_keys)
        async with EventStore.open(url, db, master_keys) as store:
            return await _certificate(Eraser(store, db, master_keys, listed), erased)


async def _reapply(settings: Settings, path: Path) -> Report:
    master_keys = load_master_keys(settings)
    customers = read_list(path, master_keys)
    cut = cut_line(path)
    if not customers and cut is None:
        raise StartupError(
            f"{path} tells of no erasure: nobody was erased again. Is it the right file, and whole?"
        )
    # The new certificates are of new events: the list gets them although it has the customers.
    listed = ErasureList(settings.erasure_list or path, ())
    async with _database(settings) as url, Database.connect(url) as db:
        await check_master_keys(db, master_keys)
        known = await are_erased(db, customers)
        undone = [one for one, is_erased in known.items() if not is_erased]
        async with EventStore.open(url, db, master_keys) as store:
            eraser = Eraser(store, db, master_keys, listed)
            for erased in _with_progress(undone):
                await _certificate(eraser, erased)
    already = len(known) - len(undone)
    return Report(len(customers), len(undone), already, len(customers) - len(known), cut)


async def _certificate(eraser: Eraser, erased: CustomerKey) -> Certificate:
    asked = {"actor": ACTOR, "requestId": new_request_id(), "commandId": new_command_id()}
    try:
        return (await eraser.erase(erased, Request(orjson.dumps(asked)))).certificate
    except ApiError as error:
        raise StartupError(f"{erased.customer_id} of {erased.merchant_id}: {error}") from None


def _with_progress(customers: Sequence[CustomerKey]) -> Iterable[CustomerKey]:
    """The customers one by one, with a bar on a terminal."""
    console = Console(stderr=True)
    return track(customers, "erasing again", console=console, disable=not console.is_terminal)


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[str]:
    """The database's URL. One of our own that does not run, since `up` refuses it, runs for the block."""
    directory = DataDirectory(settings.data_dir)
    ours = named_database(settings) is None and directory.postgres.exists()
    if not ours or directory.running() is not None:
        yield find_database(settings).application
        return
    with directory.locked():
        async with database(settings, directory, typer.echo) as urls:
            yield urls.application
