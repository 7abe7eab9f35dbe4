"""The `customers` command: its subcommands, one file a group, and how their errors end.

In: arguments and `CUSTOMERS_*` variables. Out: exit status 0, 1 with one line on stderr for an error that was
foreseen, 2 for wrong usage (and from `verify`, where it could not check).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from service.cli import (
    checkpoint,
    demo,
    erase,
    history,
    keys,
    master_key,
    merchants,
    migrate,
    parked,
    project,
    prove,
    rebuild,
    relay,
    replay,
    serve,
    up,
    verify,
)
from service.cli.foreseen import FORESEEN


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(f"customers {version('customers')}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Customers: an event-sourced service of a payments platform."""


app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("relay")(relay.relay)
app.command("project")(project.project)
app.command("erase")(erase.erase)
app.command("migrate")(migrate.migrate)
app.command("history")(history.history)
app.command("replay")(replay.replay)
app.command("export")(replay.export)
app.command("rebuild")(rebuild.rebuild)
app.command("master-key")(master_key.master_key)
app.command("verify")(verify.verify)
app.command("checkpoint")(checkpoint.checkpoint)
app.command("prove")(prove.prove)
app.add_typer(merchants.app, name="merchants")
app.add_typer(keys.app, name="keys")
app.add_typer(parked.app, name="parked")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; `arguments` are those of the process unless given. Always raises SystemExit."""
    try:
        app(args=arguments, prog_name="customers")
    except FORESEEN as error:
        typer.echo(f"customers: {error}", err=True)
        sys.exit(1)
