"""`customers merchants`: who may have customers here."""

from __future__ import annotations

from typing import Annotated

import typer

from events.database import Database
from service.cli.options import AsJson, DataDir
from service.cli.running import run
from service.cli.tables import moment, show
from service.databases import find_database
from service.epochs import MOST_AT_ONCE, Epoch, begin_epochs
from service.errors import StartupError
from service.merchants import (
    Merchant,
    check_currency,
    check_merchant_id,
    create_merchant,
    deactivate_merchant,
    list_merchants,
)
from service.settings import Settings, load_settings

app = typer.Typer(help="Create, list and deactivate merchants; begin new epochs.", no_args_is_help=True)

COLUMNS = ("id", "status", "live", "currency", "created")


@app.command("create")
def create(
    data_dir: DataDir = None,
    merchant_id: Annotated[
        str | None,
        typer.Option(
            "--id",
            parser=check_merchant_id,
            metavar="MER_ID",
            help="An id of your own (default: a new mer_ id).",
            show_default=False,
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live/--test", help="Whether its keys are live keys.")] = False,
    currency: Annotated[
        str,
        typer.Option(parser=check_currency, metavar="CODE", help="The currency that its totals are kept in."),
    ] = "USDC",
) -> None:
    """Create a merchant and print its id."""
    made = run(_create(load_settings(data_dir=data_dir), merchant_id, live, currency))
    if made is None:
        raise StartupError(f"there is a merchant {merchant_id} already")
    typer.echo(made.id)


@app.command("list")
def list_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all merchants."""
    merchants = run(_list(load_settings(data_dir=data_dir)))
    rows = [
        {
            "id": m.id,
            "status": m.status,
            "live": m.live,
            "currency": m.currency,
            "created": moment(m.created_at),
        }
        for m in merchants
    ]
    show(rows, COLUMNS, as_json=as_json)


@app.command("deactivate")
def deactivate(
    merchant_id: Annotated[str, typer.Argument(metavar="MER_ID", help="The merchant.", show_default=False)],
    data_dir: DataDir = None,
) -> None:
    """Refuse all requests of a merchant from now on; its data stays."""
    if not run(_deactivate(load_settings(data_dir=data_dir), merchant_id)):
        raise StartupError(f"there is no active merchant {merchant_id}")
    typer.echo(f"{merchant_id} is inactive")


@app.command("new-epoch")
def new_epoch(
    merchant_id: Annotated[
        str | None, typer.Argument(metavar="MER_ID", help="The merchant.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    every: Annotated[bool, typer.Option("--all", help="All merchants.")] = False,
    epoch: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="NUMBER",
            help="The epoch to be in at least (default: the next): for who knows of a higher one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say that history was lost: after a backup was restored, or an asynchronous standby took over.

    Run it before the API and the relay start again: deploy/README.md has the order of things.

    Subscribers compare what they have with the ledger then, and begin anew where it differs.

    Where nothing was lost, that is all it costs. Again at the same head, it changes nothing.

    The relay does it by itself where the stream has events that the ledger lacks.
    """
    if every == (merchant_id is not None):
        raise typer.BadParameter("name a merchant, or give --all")
    epochs = run(_new_epoch(load_settings(data_dir=data_dir), merchant_id, epoch))
    if merchant_id is not None and not epochs:
        raise StartupError(f"there is no merchant {merchant_id}")
    for one in epochs:
        typer.echo(told(one))
    refused = [one.merchant_id for one in epochs if epoch is not None and one.epoch < epoch]
    if refused:
        raise StartupError(
            f"an epoch rises by {MOST_AT_ONCE} at once at most: {', '.join(refused)} not raised to {epoch}"
        )


def told(one: Epoch) -> str:
    """An epoch as one line."""
    begun = "begins" if one.begun else "stays in"
    return f"{one.merchant_id} {begun} epoch {one.epoch} at position {one.position}"


async def _new_epoch(settings: Settings, merchant_id: str | None, epoch: int | None) -> list[Epoch]:
    async with Database.connect(find_database(settings).administrator) as db:
        return await begin_epochs(db, merchant_id, epoch)


async def _create(settings: Settings, merchant_id: str | None, live: bool, currency: str) -> Merchant | None:
    async with Database.connect(find_database(settings).administrator) as db:
        return await create_merchant(db, merchant_id=merchant_id, live=live, currency=currency)


async def _list(settings: Settings) -> list[Merchant]:
    async with Database.connect(find_database(settings).administrator) as db:
        return await list_merchants(db)


async def _deactivate(settings: Settings, merchant_id: str) -> bool:
    async with Database.connect(find_database(settings).administrator) as db:
        return await deactivate_merchant(db, merchant_id)
