"""`customers streams`: the streams that other services fill, made where they are missing."""

from __future__ import annotations

import typer

from events.stream.broker import Broker
from events.stream.jetstream import JetStream
from service.cli.options import DataDir
from service.cli.running import run
from service.databases import find_nats
from service.errors import StartupError
from service.projecting import BILLING_STREAMS, ensure_billing_streams
from service.settings import load_settings


def streams(data_dir: DataDir = None) -> None:
    """Make the streams CHARGES and INVOICES on NATS (CUSTOMERS_NATS_URL) where they are missing.

    For where their owners do not make them. One that is there is left as it is.
    """
    settings = load_settings(data_dir=data_dir)
    nats = find_nats(settings)
    if nats is None:
        raise StartupError("no NATS to make streams on: CUSTOMERS_NATS_URL is not set")
    made = run(_make(nats, settings.stream_replicas))
    typer.echo(f"made {' and '.join(made)}" if made else f"{' and '.join(BILLING_STREAMS)} are there")


async def _make(nats: Broker, replicas: int) -> list[str]:
    async with JetStream.connect(nats) as stream:
        return await ensure_billing_streams(stream, replicas=replicas)
