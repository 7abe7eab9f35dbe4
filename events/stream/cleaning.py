"""Cleaning: messages about erased customers that are still in the stream, where nobody would look again.

In: the active relay's session and the stream. Out: of each customer that was erased since the last time, the
stream has `customer.erased` at most. The active relay deletes messages when it comes to an erasure; one of a
release that knew no erasures did not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from events.customer import Customer
from events.database import Connection, Row
from events.queries import ERASURES_AFTER, NOTE_CLEANED, RELAY_STATE
from events.stream.answers import StreamMessage
from events.stream.jetstream import JetStream
from events.wire.message import STREAM, event_name, subject_of

ERASED = event_name(Customer.Erased.TOPIC)

AT_ONCE = 50
"""Erasures that are looked at between two words with the database, which ends sessions that are silent."""

log = structlog.get_logger(__name__)


async def clean_stream(session: Connection, stream: JetStream) -> None:
    """Delete what should be gone. Raises StoreError, BrokerError."""
    after = (await session.fetch(RELAY_STATE))[0]["erasures_cleaned"]
    while erasures := await session.fetch(ERASURES_AFTER, after, AT_ONCE):
        await _clean(stream, erasures)
        after = erasures[-1]["notification_id"]
        await session.fetch(NOTE_CLEANED, after)


async def _clean(stream: JetStream, erasures: Sequence[Row]) -> None:
    subjects = [subject_of(row["merchant_id"], row["customer_id"]) for row in erasures]
    firsts = await asyncio.gather(*(stream.first(STREAM, subject) for subject in subjects))
    for subject, first in zip(subjects, firsts, strict=True):
        if first is None or _tells_of_erasure(first):
            continue
        last = await stream.last(STREAM, subject)
        if last is not None and _tells_of_erasure(last):
            log.warning("erased_customer_cleaned", subject=subject)
            await stream.erase(STREAM, subject, before=last.sequence)
        else:  # what tells of the erasure is to come still: the outbox has it
            await stream.erase(STREAM, subject)


def _tells_of_erasure(message: StreamMessage) -> bool:
    return message.headers.get("ce-type") == ERASED
