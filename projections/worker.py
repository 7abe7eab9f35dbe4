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
from events.errors import BrokerError, BrokerRefused, StoreBusy, StoreUnavailable
from events.jetstream import JetStream
from events.pull import Pulled
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


async def run_worker(database: Database, nats_url: str, work: Work) -> None:
    """Work for as long as the task lives. Trouble is logged and tried again."""
    told = ""
    while True:
        try:
            async with JetStream.connect(nats_url) as stream:
                await _consume(stream, database, work)
        except BrokerRefused as error:
            reason = f"waiting for the stream {work.stream}" if error.code == 404 else str(error)
        except BrokerError as error:
            reason = str(error)
        if reason != told:
            tell = log.info if reason.startswith("waiting") else log.warning
            tell("worker_interrupted", durable=work.durable, reason=reason)
        told = reason
        await asyncio.sleep(TROUBLE_SECONDS)


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
        except (StoreUnavailable, StoreBusy) as error:
            if not told:
                log.warning("worker_waits", durable=work.durable, reason=str(error))
            told = True
            await asyncio.sleep(TROUBLE_SECONDS)
        else:
            return


async def apply_batch(database: Database, work: Work, deliveries: Sequence[Delivery]) -> None:
    """Apply all in one transaction, or, if that fails for what they are, in halves; one alone is parked.

    Raises StoreUnavailable, StoreBusy.
    """
    try:
        async with database.transaction() as transaction:
            await work.apply(transaction, deliveries)
    except (StoreUnavailable, StoreBusy):
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it must stop nobody else
        if len(deliveries) > 1:
            middle = len(deliveries) // 2
            await apply_batch(database, work, deliveries[:middle])
            await apply_batch(database, work, deliveries[middle:])
            return
        reason = reason_of(error)
        log.error("message_parked", durable=work.durable, sequence=deliveries[0].sequence, reason=reason)  # noqa: TRY400
        async with database.transaction() as transaction:
            await park(transaction, work.projection, deliveries[0], reason)
