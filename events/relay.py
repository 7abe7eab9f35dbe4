"""The relay: everything in the outbox goes to JetStream, once, in order.

In: a session on PostgreSQL, which holds the lock that makes it the active relay, and a connection to
JetStream. Out: messages, and outbox rows gone once the stream has them. Mark, don't cursor: rows are read
oldest first and deleted when acknowledged; nothing is skipped because it committed late.

The fence: every batch names the sequence that the stream must end with. On a refusal, and after any outcome
that is unknown, nothing is published until the stream's end has been compared with what is remembered
(`events/reconciliation.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

import structlog

from events.database import Connection, Row
from events.errors import BatchRefused, BrokerError, StoreError
from events.jetstream import MOST_IN_A_BATCH, JetStream
from events.master_keys import MasterKeys
from events.outgoing import Outgoing
from events.queries import MARK_PUBLISHED, OUTBOX_PAGE, TRY_RELAY_LOCK
from events.reconciliation import Reconciliation

LOCK = 0x72656C6179  # any number that nobody else locks
SESSION = {
    # A relay that was paused loses its session, and with it the lock.
    "idle_session_timeout": "8s",
    "transaction_timeout": "8s",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
STANDBY_SECONDS = 1.0
TROUBLE_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 0.004
LAST_PAUSE_SECONDS = 0.1
LOOK_SECONDS = 5.0
"""How often the stream is looked at although nothing seems wrong."""

log = structlog.get_logger(__name__)


async def run_relay(
    database_url: str, nats_url: str, master_keys: MasterKeys, stop: asyncio.Event, *, replicas: int = 1
) -> None:
    """Relay, or stand by, until told to stop. Trouble is logged and tried again."""
    told = ""
    while not stop.is_set():
        session = Connection(database_url, SESSION, reopens=False)
        try:
            async with JetStream.connect(nats_url) as stream:
                await _work(session, stream, master_keys, stop, replicas)
        except (StoreError, BrokerError) as error:
            if str(error) != told:
                log.warning("relay_interrupted", reason=str(error))
            told = str(error)
            await _pause(stop, TROUBLE_SECONDS)
        finally:
            await session.close()


async def _work(
    session: Connection, stream: JetStream, master_keys: MasterKeys, stop: asyncio.Event, replicas: int
) -> None:
    while not (await session.fetch(TRY_RELAY_LOCK, LOCK))[0]["active"]:
        await _pause(stop, STANDBY_SECONDS)
        if stop.is_set():
            return
    log.info("relay_active")
    relay = Relay(session, stream, master_keys, replicas=replicas)
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        if await relay.relay_page():
            pause = FIRST_PAUSE_SECONDS
        else:
            await _pause(stop, pause)
            pause = min(2 * pause, LAST_PAUSE_SECONDS)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


class Relay:
    """The active relay. Any StoreError or BrokerError ends its usefulness: make another."""

    def __init__(
        self,
        session: Connection,
        stream: JetStream,
        master_keys: MasterKeys,
        *,
        replicas: int = 1,
        page: int = MOST_IN_A_BATCH,
    ) -> None:
        self._session = session
        self._stream = stream
        self._outgoing = Outgoing(session, master_keys, stream.largest)
        self._reconciliation = Reconciliation(session, stream, replicas)
        self._page = page
        self._last_sequence = 0
        self._looked = float("-inf")
        self._published: dict[str, int] = {}
        """The last position known to have left, by merchant."""
        self._from = 0
        """Outbox rows up to here are gone: an index need not be searched from its dead beginning."""

    async def relay_page(self) -> int:
        """Publish a page of the outbox; how many. Raises StoreError, BrokerError."""
        if monotonic() - self._looked > LOOK_SECONDS:
            await self._look()
        rows = await self._rows()
        if rows:
            try:
                await self._publish(rows)
            except BatchRefused as error:
                log.warning("batch_refused", reason=str(error), code=error.code)
                self._looked = float("-inf")
                raise
        return len(rows)

    async def _look(self) -> None:
        """Compare the stream with what is remembered, mend the difference, and start at the oldest row."""
        self._last_sequence = await self._reconciliation.reconcile()
        self._looked = monotonic()
        self._published.clear()
        self._from = 0

    async def _rows(self) -> list[Row]:
        rows = await self._session.fetch(OUTBOX_PAGE, self._from, self._page)
        if self._from and not self._follow(rows):
            # A row was committed late, below where the search began: begin at the beginning.
            self._from = 0
            rows = await self._session.fetch(OUTBOX_PAGE, 0, self._page)
        return rows

    def _follow(self, rows: Sequence[Row]) -> bool:
        """Whether each row is the next of its merchant's ledger after what has left."""
        seen: dict[str, int] = {}
        for row in rows:
            merchant_id, position = row["merchant_id"], row["position"]
            before = seen.get(merchant_id) or self._published.get(merchant_id)
            if before != position - 1:
                return False
            seen[merchant_id] = position
        return True

    async def _publish(self, rows: Sequence[Row]) -> None:
        messages = await self._outgoing.messages(rows)
        self._last_sequence = await self._stream.publish_batch(messages, last_sequence=self._last_sequence)
        ids = [row["notification_id"] for row in rows]
        last_id = messages[-1].headers["Nats-Msg-Id"]
        await self._session.fetch(MARK_PUBLISHED, ids, self._last_sequence, last_id)
        for row in rows:
            self._published[row["merchant_id"]] = row["position"]
        self._from = ids[-1]
