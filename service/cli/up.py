"""`customers up`: the whole service on this machine, with one command."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import which

import typer

from service.cli.options import DataDir, Host, Port
from service.cli.running import run_until_signal
from service.embedded.data_directory import Announcement
from service.logs import configure_logs
from service.settings import load_settings
from service.up import run_up

WELCOME = """
Customers is running.

  URL       {url}
  API key   {key}
  merchant  {merchant}
  NATS      {nats}

Create a customer:

  curl -s {url}/v1/customers \\
    -H 'X-API-Key: {key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"email": "jane@example.com", "name": "Jane Roe"}}'

Watch charges and invoices arrive:  {program} demo{elsewhere}

Ctrl-C stops it; the data stays in {directory}.
"""


def program() -> str:
    """What a person types to run this: its name, or the path of its script where the name is not found."""
    script = Path(sys.argv[0])
    return "customers" if script.name != "customers" or which("customers") else str(script)


def up(data_dir: DataDir = None, host: Host = None, port: Port = None) -> None:
    """Run all of it here: PostgreSQL and NATS (unless the environment names others), a demo key, the API."""
    settings = load_settings(data_dir=data_dir, host=host, port=port)
    # A person at a terminal wants to hear of trouble; who sets a level gets it.
    configure_logs(settings.log_level if "log_level" in settings.model_fields_set else "warning")

    def welcome(running: Announcement) -> None:
        typer.echo(
            WELCOME.format(
                url=running.url,
                key=running.api_key,
                merchant=running.merchant_id,
                nats=running.nats_url,
                program=program(),
                elsewhere="" if data_dir is None else f" --data-dir {data_dir}",
                directory=settings.data_dir,
            )
        )

    run_until_signal(lambda stop: run_up(settings, stop=stop, say=typer.echo, on_ready=welcome))
