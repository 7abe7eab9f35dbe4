"""`customers serve`: the API alone, on a database that is there."""

from __future__ import annotations

import asyncio

import typer

from service.app import run_api
from service.cli.options import DataDir, Host, Port
from service.cli.running import run_until_signal
from service.databases import find_database, refuse_to_serve_as_administrator
from service.logs import configure_logs
from service.master_key import load_master_keys
from service.settings import load_settings


def serve(data_dir: DataDir = None, host: Host = None, port: Port = None) -> None:
    """Run the API on a migrated database: CUSTOMERS_DATABASE_URL, or that of a running `customers up`.

    Lists show what `customers project` has taken in: run that too.
    """
    settings = load_settings(data_dir=data_dir, host=host, port=port)
    configure_logs(settings.log_level)
    refuse_to_serve_as_administrator(settings)
    database = find_database(settings)
    master_keys = load_master_keys(settings)

    async def work(stop: asyncio.Event) -> None:
        await run_api(
            settings,
            database_url=database.application,
            master_keys=master_keys,
            host=settings.host,
            port=settings.port,
            on_ready=lambda url: typer.echo(f"listening on {url}"),
            stop=stop,
        )

    run_until_signal(work)
