"""`customers up`: the whole service on this machine, with one command."""

from __future__ import annotations

import typer

from service.cli.options import DataDir, Host, Port
from service.cli.running import run_until_signal
from service.data_directory import Announcement
from service.logs import configure_logs
from service.settings import load_settings
from service.up import run_up

WELCOME = """
Customers is running.

  URL       {url}
  API key   {key}
  merchant  {merchant}

Create a customer:

  curl -s {url}/v1/customers \\
    -H 'X-API-Key: {key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"email": "jane@example.com", "name": "Jane Roe"}}'

Ctrl-C stops it; the data stays in {directory}.
"""


def up(data_dir: DataDir = None, host: Host = None, port: Port = None) -> None:
    """Run all of it here: PostgreSQL and NATS (unless the environment names others), a demo key, the API."""
    settings = load_settings(data_dir=data_dir, host=host, port=port)
    configure_logs(settings.log_level)

    def welcome(running: Announcement) -> None:
        typer.echo(
            WELCOME.format(
                url=running.url,
                key=running.api_key,
                merchant=running.merchant_id,
                directory=settings.data_dir,
            )
        )

    run_until_signal(lambda stop: run_up(settings, stop=stop, say=typer.echo, on_ready=welcome))
