"""Reconciliation: what the stream holds against what is remembered of it, before anything is published.

In: the stream's state and its end. Out: outbox rows of messages that are there are gone, rows of messages
that are missing are back under their old notification ids, and the sequence that the stream ends with.
PostgreSQL alone is the truth: a message that the ledger does not know is never believed; what it means is
the matter of `lost_history.py`. What the stream need not keep (`settings.py`) is not missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from events.database import Connection, Row
from events.errors import BrokerRefused
from events.queries import (
    FOLLOW_STREAM,
    MARK_PUBLISHED,
    MARK_PUBLISHED_UNTIL,
    MERCHANTS_PAGE,
    PUT_BACK_AFTER,
    RECORDED_UNTIL,
    RELAY_STATE,
)
from events.stream.answers import StreamMessage, StreamState
from events.stream.claims import claim_of, known
from events.stream.jetstream import JetStream
from events.stream.lost_history import LostHistory
from events.stream.settings import StreamSettings, discards, oldest_age
from events.wire.message import STREAM, subject_of

READS_AT_ONCE = 64
PUT_BACK = 500
"""Events of one merchant a statement: none may last longer than the session's time limit."""
LATE = 60_000_000
"""µs: by how much an event may have been recorded before another that is in the stream before it."""

log = structlog.get_logger(__name__)


class Reconciliation:
    """Compares and mends. One at a time; nothing may be published meanwhile."""

    def __init__(self, session: Connection, stream: JetStream, settings: StreamSettings) -> None:
        self._session = session
        self._stream = stream
        self._settings = settings
        self._lost_history = LostHistory(session, stream)

    async def reconcile(self) -> int:
        """Mend every difference; the stream's last sequence. Raises StoreError, BrokerError."""
        remembered = (await self._session.fetch(RELAY_STATE))[0]
        found = await self._stream.stream(STREAM)
        if found is None:
            found = await self._stream.create_stream(self._settings.new_stream())
            tell = log.warning if remembered["stream_created"] else log.info
            tell("stream_created", created=found.created)
        found = await self._set_up(found)
        if await self._has_the_end(found, remembered):
            await self._absorb(remembered["last_sequence"], found.last_sequence)
        else:
            await self._put_back_what_is_missing(found)
            # Only now: who is interrupted before has not begun to publish, and begins anew.
            await self._follow(found)
        return found.last_sequence

    async def _set_up(self, found: StreamState) -> StreamState:
        """The stream with the limits that the settings name; one that the server refuses stops nobody."""
        changes = self._settings.changes(found.config)
        if not changes:
            return found
        try:
            changed = await self._stream.update_stream({**found.config, **changes})
        except BrokerRefused as error:
            log.critical("stream_settings_refused", changes=changes, reason=str(error))
            return found
        log.info("stream_changed", changes=changes)
        return changed

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
            true = await known(self._session, messages)
            await self._lost_history.remove(
                [message for message in messages if claim_of(message).place not in true]
            )
            last_id = await self._id_at(sequences[-1])
            ids = [one.notification_id for one in true.values()]
            await self._session.fetch(MARK_PUBLISHED, ids, sequences[-1], last_id)

    async def _put_back_what_is_missing(self, found: StreamState) -> None:
        """Whatever lies beyond each merchant's last message leaves again; what lies before has left."""
        oldest = await self._recorded_first(found)
        put, last_id = 0, ""
        while rows := await self._session.fetch(MERCHANTS_PAGE, last_id, READS_AT_ONCE):
            merchants = [row["id"] for row in rows]
            reached = await self._reached(merchants)
            await self._session.fetch(MARK_PUBLISHED_UNTIL, merchants, reached)
            if discards(found.config):
                reached = await self._beyond_what_is_discarded(merchants, reached, oldest, found)
            put += await self._put_back(merchants, reached)
            last_id = merchants[-1]
        tell = log.warning if put else log.info
        tell("put_back", events=put)

    async def _recorded_first(self, found: StreamState) -> int:
        """When the first event was recorded that is left in a stream that has discarded others; µs, or 0."""
        if not discards(found.config) or found.first_sequence <= 1:
            return 0
        firsts = await self._read([found.first_sequence])
        return max((one.recorded_at for one in (await known(self._session, firsts)).values()), default=0)

    async def _beyond_what_is_discarded(
        self, merchants: list[str], reached: list[int], oldest: int, found: StreamState
    ) -> list[int]:
        """From where on the stream should have these merchants' events: none older than it keeps them."""
        rows = await self._session.fetch(RECORDED_UNTIL, merchants, oldest - LATE, oldest_age(found.config))
        discarded = {row["merchant_id"]: row["position"] for row in rows}
        return [max(at, discarded.get(merchant, 0)) for merchant, at in zip(merchants, reached, strict=True)]

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
        true = await known(self._session, [last for last in lasts if last is not None])
        reached: list[int] = []
        for merchant, last in zip(merchants, lasts, strict=True):
            if last is None:
                reached.append(0)
            elif (claim := claim_of(last)).place in true:
                reached.append(claim.position)
            else:
                reached.append(await self._lost_history.remove_from(merchant, last))
        return reached

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
