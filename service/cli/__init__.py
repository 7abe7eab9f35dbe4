"""The `customers` command: its subcommands, one file a group, and how their errors end.

In: arguments and `CUSTOMERS_*` variables. Out: exit status 0, 1 with one line on stderr for an error that was
foreseen, 2 for wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from events.errors import MigrationError, StoreError
from service.cli import keys, merchants, migrate, serve, up
from service.data_directory import DataDirectoryError
from service.embedded import EmbeddedPostgresError
from service.errors import StartupError
from service.settings import SettingsError

FORESEEN = (
    DataDirectoryError,
    EmbeddedPostgresError,
    MigrationError,
    SettingsError,
    StartupError,
    StoreError,
)

app = typer.Typer(
    help="Customers: an event-sourced service of a payments platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(up.up)
app.command("serve")(serve.serve)
app.command("migrate")(migrate.migrate)
app.add_typer(merchants.app, name="merchants")
app.add_typer(keys.app, name="keys")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; `arguments` are those of the process unless given. Always raises SystemExit."""
    try:
        app(args=arguments, prog_name="customers")
    except FORESEEN as error:
        typer.echo(f"customers: {error}", err=True)
        sys.exit(1)
