"""`customers relay`: events out to JetStream, alone."""

from __future__ import annotations

import asyncio

import typer

from events.key_checks import prove_master_keys
from events.proof.checkpointing import run_checkpoints
from events.stream.relay import run_relay
from service.audit.erasure_list import prove_erasures
from service.beside import beside
from service.cli.options import DataDir
from service.cli.running import run_until_signal
from service.databases import find_database, find_nats
from service.errors import StartupError
from service.logs import configure_logs
from service.master_key import load_master_keys
from service.settings import load_settings


def relay(data_dir: DataDir = None) -> None:
    """Publish every event to NATS JetStream (CUSTOMERS_NATS_URL). One is active, any others stand by.

    It also signs checkpoints of the ledgers that have moved, every CUSTOMERS_CHECKPOINT_SECONDS.
    """
    settings = load_settings(data_dir=data_dir)
    configure_logs(settings.log_level)
    database = find_database(settings)
    master_keys = load_master_keys(settings)
    nats = find_nats(settings)
    if nats is None:
        raise StartupError("no NATS to publish to: CUSTOMERS_NATS_URL is not set")

    async def work(stop: asyncio.Event) -> None:
        await prove_master_keys(database.application, master_keys)
        await prove_erasures(settings.erasure_list, database.application, master_keys)
        relaying = run_relay(database.application, nats, master_keys, settings=settings.stream)
        signing = run_checkpoints(
            database.application, nats, master_keys, seconds=settings.checkpoint_seconds
        )
        async with beside([relaying, signing], stop):
            typer.echo("relaying")
            await stop.wait()

    run_until_signal(work)
