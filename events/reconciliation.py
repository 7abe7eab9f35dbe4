"""Reconciliation: what the stream holds against what is remembered of it, before anything is published.

In: the stream's state and its end. Out: outbox rows of messages that are there are gone, rows of messages
that are missing are back under their old notification ids, and the sequence that the stream ends with.
PostgreSQL alone is the truth: a message that the ledger does not know is reported and never believed.
"""

from __future__ import annotations

import asyncio
import re
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
    MARK_PUBLISHED_UNTIL,
    PUT_BACK_AFTER,
    RELAY_STATE,
)

READS_AT_ONCE = 64
PUT_BACK = 500
"""Events of one merchant a statement: none may last longer than the session's time limit."""
LOOK_BACK = 10_000
"""Messages before a merchant's last that are looked at for one that the ledger knows."""

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
        # The least there is. The fence keeps duplicates out; a window would refuse what has to be put back.
        "duplicate_window": 100_000_000,
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
        if await self._has_the_end(found, remembered):
            await self._absorb(remembered["last_sequence"], found.last_sequence)
        else:
            await self._put_back_what_is_missing()
            # Only now: who is interrupted before has not begun to publish, and begins anew.
            await self._follow(found)
        return found.last_sequence

    async def _has_the_end(self, found: StreamState, remembered: Row) -> bool:
        """Whether it is the stream that was filled last, with the message that was last in it."""
        sequence = remembered["last_sequence"]
        if found.created != remembered["stream_created"] or found.last_sequence < sequence:
            return False
        return bool(sequence == 0 or await self._id_at(sequence) == remembered["last_id"])

    async def _absorb(self, after: int, until: int) -> None:
        """Messages whose acknowledgement was lost: what the ledger has too is published."""
        for first in range(after + 1, until + 1, READS_AT_ONCE):
            sequences = range(first, min(first + READS_AT_ONCE, until + 1))
            messages = await self._read(sequences)
            known = await self._known(messages)
            for message in messages:
                if place(message)[:2] not in known:
                    log.critical("foreign_message", sequence=message.sequence, subject=message.subject)
            last_id = await self._id_at(sequences[-1])
            await self._session.fetch(MARK_PUBLISHED, list(known.values()), sequences[-1], last_id)

    async def _put_back_what_is_missing(self) -> None:
        """Whatever lies beyond each merchant's last message leaves again; what lies before has left."""
        put, last_id = 0, ""
        while rows := await self._session.fetch(LEDGERS_PAGE, last_id, READS_AT_ONCE):
            merchants = [row["id"] for row in rows]
            reached = await self._reached(merchants)
            await self._session.fetch(MARK_PUBLISHED_UNTIL, merchants, reached)
            put += await self._put_back(merchants, reached)
            last_id = merchants[-1]
        tell = log.warning if put else log.info
        tell("put_back", events=put)

    async def _put_back(self, merchants: list[str], positions: list[int]) -> int:
        put = 0
        while merchants:
            rows = await self._session.fetch(PUT_BACK_AFTER, merchants, positions, PUT_BACK)
            put += sum(row["put"] for row in rows)
            further = [row for row in rows if row["put"] == PUT_BACK]
            merchants = [row["merchant_id"] for row in further]
            positions = [row["last_position"] for row in further]
        return put

    async def _reached(self, merchants: Sequence[str]) -> list[int]:
        """How far the stream has these merchants' events: the positions of their last true messages."""
        reads = (self._stream.last(STREAM, subject_of(merchant, "*")) for merchant in merchants)
        lasts = await asyncio.gather(*reads)
        known = await self._known([last for last in lasts if last is not None])
        reached: list[int] = []
        for merchant, last in zip(merchants, lasts, strict=True):
            if last is None:
                reached.append(0)
            elif place(last)[:2] in known:
                reached.append(place(last)[1])
            else:
                log.critical("foreign_message", sequence=last.sequence, subject=last.subject)
                reached.append(await self._reached_before(merchant, last.sequence))
        return reached

    async def _reached_before(self, merchant_id: str, sequence: int) -> int:
        """The same for one merchant whose last message is not true; 0 if none of those before it is found."""
        for first in range(sequence - READS_AT_ONCE, sequence - LOOK_BACK, -READS_AT_ONCE):
            messages = await self._read(range(max(1, first), first + READS_AT_ONCE))
            known = await self._known(messages)
            positions = [position for merchant, position in known if merchant == merchant_id]
            if positions or first <= 1:
                return max(positions, default=0)
        return 0

    async def _follow(self, found: StreamState) -> None:
        last_id = await self._id_at(found.last_sequence) if found.last_sequence else ""
        await self._session.fetch(FOLLOW_STREAM, found.created, found.last_sequence, last_id)
        log.info("stream_followed", created=found.created, last_sequence=found.last_sequence)

    async def _id_at(self, sequence: int) -> str:
        """The id of the message with this sequence; empty when it has none, or is gone."""
        message = await self._stream.read(STREAM, sequence)
        return message.headers.get("Nats-Msg-Id", "") if message else ""

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
    if not _POSITION.fullmatch(sequence) or not _HASH.fullmatch(hash_):
        return merchant_id, 0, b""
    return merchant_id, int(sequence), bytes.fromhex(hash_)


_POSITION = re.compile(r"00[0-9]{18}")  # what fits a bigint
_HASH = re.compile(r"[0-9a-f]{64}")
