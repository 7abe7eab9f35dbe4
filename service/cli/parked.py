"""`customers parked`: what projections could not apply, and what a person does about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from events.database import Database
from projections import billing, customers
from projections.parking import ParkedRow, Retry, find_parked, list_parked, retry, skip
from service.cli.options import AsJson, DataDir, MerchantId
from service.cli.running import run
from service.cli.tables import moment, show
from service.databases import find_database
from service.errors import StartupError
from service.master_key import load_master_keys
from service.settings import Settings, load_settings

app = typer.Typer(
    help="List, retry and skip messages and customers that could not be applied.", no_args_is_help=True
)

COLUMNS = (
    "id",
    "projection",
    "status",
    "merchant",
    "customer",
    "subject",
    "sequence",
    "attempts",
    "parked",
    "reason",
)

Ids = Annotated[
    list[int] | None, typer.Argument(metavar="ID", help="Ids that `list` shows.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="All that are parked and not skipped.")]


def ways_to_retry(settings: Settings) -> Mapping[str, Retry]:
    """How each projection tries again."""

    async def retry_customer(transaction: Database.Transaction, row: ParkedRow) -> None:
        await customers.retry_customer(transaction, row, load_master_keys(settings))

    return {billing.NAME: billing.retry, customers.NAME: retry_customer}


@app.command("list")
def list_(
    data_dir: DataDir = None,
    projection: Annotated[str | None, typer.Option(help="One projection's only.", show_default=False)] = None,
    merchant_id: MerchantId = None,
    as_json: AsJson = False,
) -> None:
    """List what is parked or skipped, oldest first; --json shows the messages themselves too."""
    found = run(_list(load_settings(data_dir=data_dir), projection, merchant_id))
    show([row(one) | (message(one) if as_json else {}) for one in found], COLUMNS, as_json=as_json)


@app.command("retry")
def retry_(ids: Ids = None, data_dir: DataDir = None, everything: All = False) -> None:
    """Apply again. What succeeds is parked no more; what fails stays, and the exit status is 1."""
    check_choice(ids, everything=everything)
    if not run(_retry(load_settings(data_dir=data_dir), ids)):
        raise typer.Exit(1)


@app.command("skip")
def skip_(ids: Ids = None, data_dir: DataDir = None, everything: All = False) -> None:
    """Leave aside for good. They stay in the list, and can be retried by id."""
    check_choice(ids, everything=everything)
    run(_skip(load_settings(data_dir=data_dir), ids))


def check_choice(ids: list[int] | None, *, everything: bool) -> None:
    """Ids or --all: one of both."""
    if bool(ids) == everything:
        raise typer.BadParameter("name ids or --all")


def row(one: ParkedRow) -> dict[str, object]:
    """What is parked as `list` shows it."""
    return {
        "id": one.id,
        "projection": one.projection,
        "status": one.status,
        "merchant": one.merchant_id,
        "customer": one.customer_id,
        "subject": one.delivery.subject or None,
        "sequence": one.delivery.sequence or None,
        "attempts": one.attempts,
        "parked": moment(one.parked_at),
        "reason": one.reason,
    }


def message(one: ParkedRow) -> dict[str, object]:
    """Its message; bytes that are not UTF-8 are shown as U+FFFD."""
    stream, _, _, headers, body = one.delivery
    shown = {name: text.encode(errors="replace").decode() for name, text in headers.items()}
    return {"stream": stream or None, "headers": shown, "body": body.decode(errors="replace")}


async def _list(settings: Settings, projection: str | None, merchant_id: str | None) -> list[ParkedRow]:
    async with Database.connect(find_database(settings).administrator) as db:
        return await list_parked(db, projection=projection, merchant_id=merchant_id)


async def _chosen(database: Database, ids: list[int] | None) -> list[ParkedRow]:
    if ids is None:
        return [one for one in await list_parked(database) if one.status == "parked"]
    found = [(parked_id, await find_parked(database, parked_id)) for parked_id in ids]
    for parked_id, one in found:
        if one is None:
            raise StartupError(f"nothing is parked as {parked_id}")
    return [one for _, one in found if one is not None]


async def _retry(settings: Settings, ids: list[int] | None) -> bool:
    """Whether all succeeded."""
    ways = ways_to_retry(settings)
    succeeded = True
    async with Database.connect(find_database(settings).administrator) as db:
        for one in await _chosen(db, ids):
            if one.projection not in ways:
                raise StartupError(f"{one.id} is of {one.projection}, which cannot be retried here")
            left = await retry(db, one, ways)
            succeeded &= left is None
            typer.echo(f"{one.id} stays {left.status}: {left.reason}" if left else f"{one.id} is applied")
    return succeeded


async def _skip(settings: Settings, ids: list[int] | None) -> None:
    async with Database.connect(find_database(settings).administrator) as db:
        for one in await _chosen(db, ids):
            await skip(db, one.id)
            typer.echo(f"{one.id} is skipped")
