"""`customers replay` and `customers export`: a merchant's customers from their events, as lines of JSON.

In: a merchant, perhaps one customer, perhaps a moment. Out: each customer as GET shows it, in the order of
ids; or, compared, in what the read model differs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from events.database import Database
from events.key_checks import check_master_keys
from events.ledgers import count_events
from events.mapper import from_microseconds
from events.memory import settle_memory
from events.wire.message import rfc3339
from service.audit.replaying import Outcome, Selection, compare_customers, write_customers
from service.cli.options import DataDir, ToFile
from service.cli.owners import check_customer_id, owner_of
from service.cli.progress import progress
from service.cli.running import run
from service.cli.verify import counted
from service.cli.writing import streamed
from service.databases import find_database
from service.errors import StartupError
from service.master_key import load_master_keys
from service.merchants import find_merchant
from service.moments import read_moment
from service.settings import Settings, load_settings

CONNECTIONS = 3


def until(text: str) -> int:
    """A moment on the command line."""
    try:
        return read_moment(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Merchant = Annotated[
    str, typer.Option("--merchant", metavar="MER_ID", help="Whose customers.", show_default=False)
]
One = Annotated[
    str | None, typer.Option("--customer", metavar="CUS_ID", help="This one alone.", show_default=False)
]
Until = Annotated[
    int | None,
    typer.Option(
        parser=until,
        metavar="MOMENT",
        help="As they were then: Unix seconds, which mean the whole second, or a time of RFC 3339.",
        show_default=False,
    ),
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Hold the read model against them, and list what differs.")
]


def replay(
    merchant_id: Merchant,
    data_dir: DataDir = None,
    customer_id: One = None,
    until: Until = None,
    to: ToFile = None,
    compare: Compare = False,
) -> None:
    """Fold all events again, and write what they amount to: a line of JSON a customer, tombstones too.

    --compare writes nothing, and ends with status 1 when the read model is not what the events say. Of a --to
    FILE that was killed there is a .FILE.<pid> with personal data until it is written again.
    """
    settings = load_settings(data_dir=data_dir)
    if compare and (until is not None or to is not None):
        raise typer.BadParameter("--compare is about the read model as it is: leave out --until and --to")
    if customer_id is not None:
        check_customer_id(customer_id)
    chosen = (
        Selection(merchant_id, customer_id) if until is None else Selection(merchant_id, customer_id, until)
    )
    if compare:
        outcome = run(_compare(settings, chosen))
        end(outcome, f"{counted(outcome.customers, 'customer')} compared: no difference")
        return
    outcome = run(_write(settings, chosen, to, with_tombstones=True))
    if until is not None and outcome == Outcome(0, []):
        moment = rfc3339(from_microseconds(until))
        typer.echo(f"{customer_id or merchant_id} had no events yet at {moment}", err=True)
    end(outcome, written_to(outcome, to))


def export(merchant_id: Merchant, data_dir: DataDir = None, to: ToFile = None) -> None:
    """Write every customer that is not deleted, a line of JSON each, as of now.

    Of a --to FILE that was killed there is a .FILE.<pid> with personal data until it is written again.
    """
    outcome = run(_write(load_settings(data_dir=data_dir), Selection(merchant_id), to, with_tombstones=False))
    end(outcome, written_to(outcome, to))


def written_to(outcome: Outcome, to: Path | None) -> str | None:
    """What is said of a file."""
    return (
        f"{counted(outcome.customers, 'customer')} written to {to}: treat it as personal data" if to else None
    )


def end(outcome: Outcome, success: str | None) -> None:
    """Say on stderr what is wrong and end with status 1; if nothing is, what was done."""
    for complaint in outcome.complaints or filter(None, [success]):
        typer.echo(complaint, err=True)
    if outcome.complaints:
        raise typer.Exit(1)


async def _write(settings: Settings, chosen: Selection, to: Path | None, *, with_tombstones: bool) -> Outcome:
    settle_memory()
    master_keys = load_master_keys(settings)
    async with Database.connect(find_database(settings).application, size=CONNECTIONS) as database:
        await check_master_keys(database, master_keys)
        size = await _size(database, chosen)
        if chosen.customer_id is not None:
            await owner_of(database, chosen.customer_id, chosen.merchant_id)
        with progress("replaying", size) as tell, streamed(to) as output:
            return await write_customers(
                database, master_keys, chosen, output, tell, with_tombstones=with_tombstones
            )


async def _compare(settings: Settings, chosen: Selection) -> Outcome:
    settle_memory()
    master_keys = load_master_keys(settings)
    async with Database.connect(find_database(settings).application, size=CONNECTIONS) as database:
        await check_master_keys(database, master_keys)
        with progress("comparing", await _size(database, chosen)) as tell:
            outcome = await compare_customers(database, master_keys, chosen, tell)
        if chosen.customer_id is not None and not outcome.complaints:
            # Afterwards, since a row of somebody who is unknown is a difference.
            await owner_of(database, chosen.customer_id, chosen.merchant_id)
        return outcome


async def _size(database: Database, chosen: Selection) -> int | None:
    """How many events there are to fold, if that is known. Raises StartupError: there is no such merchant."""
    if await find_merchant(database, chosen.merchant_id) is None:
        raise StartupError(f"there is no merchant {chosen.merchant_id}")
    return await count_events(database, chosen.merchant_id) if chosen.customer_id is None else None
