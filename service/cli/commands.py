"""The table of subcommands, and how their errors end."""

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
    streams,
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
app.command("streams")(streams.streams)
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


def run_command(arguments: Sequence[str] | None) -> None:
    """Run the subcommand that the arguments, or those of the process, name. Always raises SystemExit."""
    try:
        app(args=arguments, prog_name="customers")
    except FORESEEN as error:
        typer.echo(f"customers: {error}", err=True)
        sys.exit(1)
