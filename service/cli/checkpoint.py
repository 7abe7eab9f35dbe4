"""`customers checkpoint`: sign what the ledgers are now, so that it can be kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from events.database import Database
from events.errors import LedgerBroken
from events.key_checks import check_master_keys
from events.ledgers import each_ledger
from events.master_keys import MasterKeys
from events.proof.checkpoint import Checkpoint
from events.proof.checkpointing import publish as publish_checkpoint
from events.proof.checkpointing import sign_ledger
from events.signing import public_key, write_public_key
from events.stream.jetstream import JetStream
from service.cli.options import DataDir, MerchantId, ToFile
from service.cli.running import run
from service.cli.verify import counted
from service.cli.writing import appended
from service.databases import find_database, find_nats
from service.errors import StartupError
from service.master_key import load_master_keys
from service.settings import Settings, load_settings

Publish = Annotated[
    bool, typer.Option("--publish", help="Publish them too, on the NATS subjects checkpoints.v1.<merchant>.")
]
ShowKey = Annotated[
    bool, typer.Option("--public-key", help="Print the key that signs now, in base64, and do nothing else.")
]


def checkpoint(
    data_dir: DataDir = None,
    merchant_id: MerchantId = None,
    to: ToFile = None,
    publish: Publish = False,
    show_key: ShowKey = False,
) -> None:
    """Sign the state of every ledger (or one): a line of JSON each, to be kept where nobody can change it.

    `customers verify --checkpoint FILE` compares them with the ledgers later. A broken ledger is not signed.
    --to adds to what the file has, and nothing twice.
    """
    settings = load_settings(data_dir=data_dir)
    master_keys = load_master_keys(settings)
    if show_key:
        typer.echo(run(_public_key(settings, master_keys)))
        return
    with appended(to) as lines:
        broken = run(_sign(settings, master_keys, merchant_id, lines.add, publish=publish))
    if to is not None:
        again = f", {lines.old} there already" if lines.old else ""
        typer.echo(f"{counted(lines.new, 'checkpoint')} written to {to}{again}", err=True)
    for reason in broken:
        typer.echo(f"customers: {reason}", err=True)
    if broken:
        raise typer.Exit(1)


async def _public_key(settings: Settings, master_keys: MasterKeys) -> str:
    """The key of the version in force, by the database: a newer one may be known and not in use."""
    async with Database.connect(find_database(settings).application, size=1) as database:
        await check_master_keys(database, master_keys)
    return write_public_key(public_key(master_keys, master_keys.current))


async def _sign(
    settings: Settings,
    master_keys: MasterKeys,
    merchant_id: str | None,
    write: Callable[[bytes], None],
    *,
    publish: bool,
) -> list[str]:
    """Sign, write, publish; why some ledgers could not be signed."""
    nats = find_nats(settings)
    if publish and nats is None:
        raise StartupError("no NATS to publish to: CUSTOMERS_NATS_URL is not set")
    broken: list[str] = []
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.connect(find_database(settings).application))
        await check_master_keys(database, master_keys)
        broker = None
        if publish and nats is not None:
            broker = await stack.enter_async_context(JetStream.connect(nats))

        async def one(ledger: str) -> Checkpoint | None:
            try:
                signed = await sign_ledger(database, ledger, master_keys)
            except LedgerBroken as error:
                broken.append(str(error))
                return None
            if signed is None:
                return None
            write(signed.checkpoint.line())
            if broker is not None:
                await publish_checkpoint(broker, signed.checkpoint)
            return signed.checkpoint

        if merchant_id is None:
            async for ledger in each_ledger(database):
                await one(ledger)
        elif await one(merchant_id) is None and not broken:
            raise StartupError(f"there is no merchant {merchant_id} with events")
    return broken
