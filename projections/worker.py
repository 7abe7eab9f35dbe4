"""A worker: messages of a durable consumer into a projection.

In: deliveries, in batches. Out: the batch applied in one transaction, and only then acknowledged; so a
message may come twice, and projections take that. Infrastructure that fails is waited for; a batch that fails
for its content is halved until the one message at fault stands alone, and is parked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from events.database import Database
from events.errors import DataRefused, StoreError
from events.stream.broker import Broker
from events.stream.jetstream import JetStream
from events.stream.pull import Pulled
from events.supervision import supervised
from projections.delivery import Delivery
from projections.parking import park, reason_of

BATCH = 500
TROUBLE_SECONDS = 0.5

log = structlog.get_logger(__name__)

Apply = Callable[[Database.Transaction, Sequence[Delivery]], Awaitable[None]]


class Work(NamedTuple):
    """Which messages go into which projection: a stream, by a durable consumer of it."""

    projection: str
    stream: str
    durable: str
    apply: Apply


async def run_worker(database: Database, broker: Broker | str, work: Work) -> None:
    """Work for as long as the task lives. Trouble is told and tried again."""

    async def attempt() -> None:
        async with JetStream.connect(broker) as stream:
            await _consume(stream, database, work)

    await supervised(work.durable, attempt)


async def _consume(stream: JetStream, database: Database, work: Work) -> None:
    async with stream.pull(work.stream, work.durable, most=BATCH) as pull:
        log.info("worker_ready", durable=work.durable)
        while True:
            pulled = await pull.next()
            await _apply_patiently(database, work, [_delivery(work.stream, one) for one in pulled])
            await stream.acknowledge(pulled)


def _delivery(stream: str, pulled: Pulled) -> Delivery:
    return Delivery(stream, pulled.subject, pulled.sequence, pulled.headers, pulled.body)


async def _apply_patiently(database: Database, work: Work, deliveries: Sequence[Delivery]) -> None:
    told = False
    while True:
        try:
            await apply_batch(database, work, deliveries)
        except StoreError as error:
            if not told:
                log.warning("worker_waits", durable=work.durable, reason=str(error))
            told = True
            await asyncio.sleep(TROUBLE_SECONDS)
        else:
            return


async def apply_batch(database: Database, work: Work, deliveries: Sequence[Delivery]) -> None:
    """Apply all in one transaction, or, if that fails for what they are, in halves; one alone is parked.

    Raises StoreError: for reasons that are not theirs.
    """
    try:
        async with database.transaction() as transaction:
            await work.apply(transaction, deliveries)
    except Exception as error:
        if isinstance(error, StoreError) and not isinstance(error, DataRefused):
            raise
        if len(deliveries) > 1:
            middle = len(deliveries) // 2
            await apply_batch(database, work, deliveries[:middle])
            await apply_batch(database, work, deliveries[middle:])
        else:
            await _park(database, work, deliveries[0], reason_of(error))


async def _park(database: Database, work: Work, delivery: Delivery, reason: str) -> None:
    log.error("message_parked", durable=work.durable, sequence=delivery.sequence, reason=reason)
    async with database.transaction() as transaction:
        await park(transaction, work.projection, delivery, reason)
