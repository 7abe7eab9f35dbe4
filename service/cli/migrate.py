"""`customers migrate`: bring the database's schema up to date."""

from __future__ import annotations

import typer

from service import schema
from service.cli.options import DataDir
from service.cli.running import run
from service.databases import find_database
from service.settings import load_settings


def migrate(data_dir: DataDir = None) -> None:
    """Apply what the schema lacks, with CUSTOMERS_ADMIN_DATABASE_URL or on a running `customers up`."""
    database = find_database(load_settings(data_dir=data_dir))
    if not run(schema.migrate(database.administrator, log=typer.echo)):
        typer.echo("the schema is up to date")
