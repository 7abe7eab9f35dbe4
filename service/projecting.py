"""All projections of a process: their workers, and the sweep.

In: the database, NATS (or none: then the sweep alone keeps the customers), the keys. Out: read models that
follow, for as long as the task lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from events.database import Database
from events.master_keys import MasterKeys
from events.stream.broker import Broker
from events.stream.jetstream import JetStream
from events.supervision import supervised
from events.wire import message
from projections import billing, customers
from projections.sweep import run_sweep
from projections.worker import Work, run_worker

BILLING_STREAMS = {"CHARGES": "charges.>", "INVOICES": "invoices.>"}
"""The streams that other services fill, and their subjects."""

CONNECTIONS = 6
LOOK_SECONDS = 2.0


def works(master_keys: MasterKeys) -> Sequence[Work]:
    """Which messages go into which projection."""
    return (
        Work(
            customers.NAME,
            message.STREAM,
            "customers-read-model",
            partial(customers.apply_messages, master_keys=master_keys),
        ),
        *(
            Work(billing.NAME, stream, f"billing-{stream.lower()}", billing.apply)
            for stream in BILLING_STREAMS
        ),
    )


async def run_projections(database_url: str, broker: Broker | str | None, master_keys: MasterKeys) -> None:
    """Keep all read models. Raises StoreUnavailable when the database cannot be reached at first."""
    async with Database.connect(database_url, size=CONNECTIONS) as database, asyncio.TaskGroup() as tasks:
        tasks.create_task(run_sweep(database, master_keys, patient=broker is not None))
        if broker is not None:
            for work in works(master_keys):
                tasks.create_task(run_worker(database, broker, work))


async def ensure_billing_streams(stream: JetStream, *, replicas: int = 1) -> list[str]:
    """Make those that are missing; their names. Raises BrokerError."""
    missing = [name for name in BILLING_STREAMS if await stream.stream(name) is None]
    for name in missing:
        config = {"name": name, "subjects": [BILLING_STREAMS[name]], "storage": "file"}
        await stream.create_stream({**config, "num_replicas": replicas})
    return missing


async def keep_billing_streams(broker: Broker | str) -> None:
    """Make the streams of charges and invoices where they are missing: on our own NATS nobody else does."""

    async def attempt() -> None:
        async with JetStream.connect(broker) as stream:
            while True:
                await ensure_billing_streams(stream)
                await asyncio.sleep(LOOK_SECONDS)

    await supervised("billing-streams", attempt)
