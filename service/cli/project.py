"""`customers project`: events into the read models, alone."""

from __future__ import annotations

import asyncio

import typer

from events.key_checks import prove_master_keys
from service.audit.erasure_list import prove_erasures
from service.beside import beside
from service.cli.options import DataDir
from service.cli.running import run_until_signal
from service.databases import find_database, find_nats
from service.logs import configure_logs
from service.master_key import load_master_keys
from service.projecting import run_projections
from service.settings import load_settings


def project(data_dir: DataDir = None) -> None:
    """Keep the read models: of customers, and of their charges and invoices (CUSTOMERS_NATS_URL).

    Without NATS the customers alone are kept, from the store. Any number of these may run.
    """
    settings = load_settings(data_dir=data_dir)
    configure_logs(settings.log_level)
    database = find_database(settings)
    master_keys = load_master_keys(settings)
    nats = find_nats(settings)

    async def work(stop: asyncio.Event) -> None:
        await prove_master_keys(database.application, master_keys)
        await prove_erasures(settings.erasure_list, database.application, master_keys)
        async with beside([run_projections(database.application, nats, master_keys)], stop):
            typer.echo("projecting" if nats else "projecting customers, without NATS")
            await stop.wait()

    run_until_signal(work)
