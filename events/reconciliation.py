"""Reconciliation: what the stream holds against what is remembered of it, before anything is published.

In: the stream's state and its end. Out: outbox rows of messages that are there are gone, rows of messages
that are missing are back under their old notification ids, and the sequence that the stream ends with.
PostgreSQL alone is the truth: a message that the ledger does not know is reported and never believed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from events.database import Connection, Row
from events.jetstream import JetStream, StreamMessage, StreamState
from events.message import STREAM, SUBJECTS, subject_of
from events.queries import (
    FOLLOW_STREAM,
    LEDGER_HAS,
    LEDGERS_PAGE,
    MARK_PUBLISHED,
    PUT_BACK_AFTER,
    PUT_BACK_PAGE,
    RELAY_STATE,
)

READS_AT_ONCE = 64
PUT_BACK = 5_000
"""Events a statement: each has to be short, and none may last longer than the session's time limit."""

log = structlog.get_logger(__name__)


def stream_config(replicas: int) -> dict[str, object]:
    """The stream of customer events. Its age is not limited: subscribers may begin at the beginning."""
    return {
        "name": STREAM,
        "subjects": [SUBJECTS],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "num_replicas": replicas,
        "allow_atomic": True,
        "allow_direct": True,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
    }


class Reconciliation:
    """Compares and mends. One at a time; nothing may be published meanwhile."""

    def __init__(self, session: Connection, stream: JetStream, replicas: int) -> None:
        self._session = session
        self._stream = stream
        self._replicas = replicas

    async def reconcile(self) -> int:
        """Mend every difference; the stream's last sequence. Raises StoreError, BrokerError."""
        remembered = (await self._session.fetch(RELAY_STATE))[0]
        found = await self._stream.stream(STREAM)
        if found is None:
            found = await self._stream.create_stream(stream_config(self._replicas))
            tell = log.warning if remembered["stream_created"] else log.info
            tell("stream_created", created=found.created)
        if remembered["stream_created"] != found.created:
            await self._fill(found)
        elif found.last_sequence > remembered["last_sequence"]:
            await self._absorb(remembered["last_sequence"], found.last_sequence)
        elif await self._has_lost_its_tail(found, remembered):
            await self._put_back_the_tail(found)
        return found.last_sequence

    async def _fill(self, found: StreamState) -> None:
        """Another stream than the one remembered: everything has to leave again."""
        last: int | None = 0
        while last is not None:
            last = (await self._session.fetch(PUT_BACK_PAGE, last, PUT_BACK))[0]["last"]
        # Only now: who is interrupted before has not begun to publish, and begins anew.
        await self._follow(found)
        log.info("stream_followed", created=found.created)

    async def _absorb(self, after: int, until: int) -> None:
        """Messages whose acknowledgement was lost: what the ledger has too is published."""
        for first in range(after + 1, until + 1, READS_AT_ONCE):
            sequences = range(first, min(first + READS_AT_ONCE, until + 1))
            messages = await self._read(sequences)
            known = await self._known(messages)
            for message in messages:
                if place(message)[:2] not in known:
                    log.critical("foreign_message", sequence=message.sequence, subject=message.subject)
            last_id = messages[-1].headers.get("Nats-Msg-Id", "") if messages else ""
            await self._session.fetch(MARK_PUBLISHED, list(known.values()), sequences[-1], last_id)

    async def _has_lost_its_tail(self, found: StreamState, remembered: Row) -> bool:
        if found.last_sequence < remembered["last_sequence"]:
            return True
        last = await self._stream.read(STREAM, found.last_sequence) if found.last_sequence else None
        return last is not None and last.headers.get("Nats-Msg-Id") != remembered["last_id"]

    async def _put_back_the_tail(self, found: StreamState) -> None:
        """The stream is shorter than it was: whatever lies beyond each merchant's last message is back."""
        put, last_id = 0, ""
        while merchants := [
            row["id"] for row in await self._session.fetch(LEDGERS_PAGE, last_id, READS_AT_ONCE)
        ]:
            reads = (self._stream.last(STREAM, subject_of(merchant, "*")) for merchant in merchants)
            messages = [message for message in await asyncio.gather(*reads) if message is not None]
            known = await self._known(messages)
            positions = dict(place(message)[:2] for message in messages)
            for merchant in merchants:
                position = positions.get(merchant, 0)
                if position and (merchant, position) not in known:
                    log.critical("foreign_message", merchant_id=merchant, position=position)
                    position -= 1
                put += (await self._session.fetch(PUT_BACK_AFTER, merchant, position))[0]["put"]
            last_id = merchants[-1]
        await self._follow(found)
        log.warning("tail_put_back", events=put, last_sequence=found.last_sequence)

    async def _follow(self, found: StreamState) -> None:
        last = await self._stream.read(STREAM, found.last_sequence) if found.last_sequence else None
        last_id = last.headers.get("Nats-Msg-Id", "") if last else ""
        await self._session.fetch(FOLLOW_STREAM, found.created, found.last_sequence, last_id)

    async def _read(self, sequences: Iterable[int]) -> list[StreamMessage]:
        found = await asyncio.gather(*(self._stream.read(STREAM, sequence) for sequence in sequences))
        return [message for message in found if message is not None]

    async def _known(self, messages: Sequence[StreamMessage]) -> dict[tuple[str, int], int]:
        """Of these, those that the ledger has: (merchant, position) to notification id."""
        columns = [list(column) for column in zip(*map(place, messages), strict=True)] or [[], [], []]
        rows = await self._session.fetch(LEDGER_HAS, *columns)
        return {(row["merchant_id"], row["position"]): row["notification_id"] for row in rows}


def place(message: StreamMessage) -> tuple[str, int, bytes]:
    """Merchant, position and hash that a message claims; position 0 where it claims nothing sensible."""
    merchant_id = message.subject.split(".")[2]
    sequence, hash_ = message.headers.get("ce-sequence", ""), message.headers.get("ce-hash", "")
    try:
        return merchant_id, int(sequence), bytes.fromhex(hash_)
    except ValueError:
        return merchant_id, 0, b""
