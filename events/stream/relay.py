"""The relay: everything in the outbox goes to JetStream, once, in order.

In: a session on PostgreSQL, which holds the lock that makes it the active relay, and a connection to
JetStream. Out: messages, and outbox rows gone once the stream has them. Mark, don't cursor: rows are read
oldest first and deleted when acknowledged; nothing is skipped because it committed late.

The fence: every batch names the sequence that the stream must end with. On a refusal, and after any outcome
that is unknown, nothing is published until the stream's end has been compared with what is remembered
(`events/stream/reconciliation.py`).

Erased customers: what is left of their events in the outbox goes without a message, and before
`customer.erased` is published, all messages about the customer are deleted from the stream. Until then the
row stays in the outbox, so whatever is interrupted is done again. What an older release left is looked for
once, when the relay begins (`events/stream/cleaning.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from time import monotonic
from typing import NamedTuple

import structlog

from events.customer_key import key_of
from events.database import Connection, Row
from events.loading import is_erased
from events.master_keys import MasterKeys
from events.queries import DROP_FROM_OUTBOX, ERASED_AMONG, MARK_PUBLISHED, OUTBOX_PAGE, TRY_RELAY_LOCK
from events.stream.broker import Broker
from events.stream.cleaning import clean_stream
from events.stream.jetstream import MOST_IN_A_BATCH, JetStream
from events.stream.reconciliation import Reconciliation
from events.stream.settings import StreamSettings
from events.supervision import supervised
from events.wire.message import STREAM, Message, subject_of
from events.wire.outgoing import ERASURE_TOPIC, Outgoing

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
FIRST_PAUSE_SECONDS = 0.004
LAST_PAUSE_SECONDS = 0.1
LATE_SECONDS = 1.0
"""How much later than others numbered after it an event is expected to be committed; one that is later still
is found at the next look, or when its merchant's next event shows the gap."""
ERASURES_IN_A_PAGE = 50
"""Each waits for some disk writes of NATS for every message that the customer has left."""
LOOK_SECONDS = 5.0
"""How often the stream is looked at although nothing seems wrong."""

DEFAULTS = StreamSettings()

log = structlog.get_logger(__name__)


async def run_relay(
    database_url: str, broker: Broker | str, master_keys: MasterKeys, *, settings: StreamSettings = DEFAULTS
) -> None:
    """Relay, or stand by, for as long as the task lives. Trouble is told and tried again."""

    async def attempt() -> None:
        session = Connection(database_url, SESSION, reopens=False)
        try:
            async with JetStream.connect(broker) as stream:
                await _become_active(session)
                await _relay(Relay(session, stream, master_keys, settings=settings))
        finally:
            await session.close()

    await supervised("relay", attempt)


async def _become_active(session: Connection) -> None:
    while True:
        if (await session.fetch(TRY_RELAY_LOCK, LOCK))[0]["active"]:
            log.info("relay_active")
            return
        await asyncio.sleep(STANDBY_SECONDS)


async def _relay(relay: Relay) -> None:
    pause = FIRST_PAUSE_SECONDS
    while True:
        if await relay.relay_page():
            pause = FIRST_PAUSE_SECONDS
        else:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE_SECONDS)


class OutboxPage(NamedTuple):
    """Outbox rows, and the messages of those that have one."""

    rows: list[Row]
    messages: list[Message]

    def ids(self) -> list[int]:
        """The rows' notification ids, ascending."""
        return [row["notification_id"] for row in self.rows]

    def erasures(self) -> list[Row]:
        """The rows that tell of an erasure."""
        return [row for row in self.rows if row["topic"] == ERASURE_TOPIC]


class Relay:
    """The active relay. Any StoreError or BrokerError ends its usefulness: make another."""

    def __init__(
        self,
        session: Connection,
        stream: JetStream,
        master_keys: MasterKeys,
        *,
        settings: StreamSettings = DEFAULTS,
        page: int = MOST_IN_A_BATCH,
    ) -> None:
        self._session = session
        self._stream = stream
        self._outgoing = Outgoing(session, master_keys, stream.largest)
        self._reconciliation = Reconciliation(session, stream, settings)
        self._page = page
        self._last_sequence = 0
        self._looked = float("-inf")
        self._cleaned = False
        self._trail: deque[tuple[float, int]] = deque()
        """When pages left, and their last notification ids, as far as late commits may be below them."""
        self._gone = 0
        """Outbox rows up to here are gone: an index need not be searched from its dead beginning."""
        self._following: OutboxPage | None = None
        """The next page, made while the one before was on its way."""

    async def relay_page(self) -> int:
        """Publish a page of the outbox; how many of its rows are gone. Raises StoreError, BrokerError."""
        if monotonic() - self._looked > LOOK_SECONDS:
            await self._look()
        page = await self._next_page()
        if page.rows:
            await self._publish(page)
        return len(page.rows)

    async def _look(self) -> None:
        """Compare the stream with what is remembered, mend the difference, and start at the oldest row."""
        self._last_sequence = await self._reconciliation.reconcile()
        if not self._cleaned:
            await clean_stream(self._session, self._stream)
            self._cleaned = True
        self._looked = monotonic()
        self._trail.clear()
        self._gone = 0
        self._following = None

    async def _next_page(self) -> OutboxPage:
        """The page to publish; it is asked as late as can be whether a customer in it was erased since."""
        while await self._is_outdated(page := await self._made_page()):
            self._following = None
        return page

    async def _is_outdated(self, page: OutboxPage) -> bool:
        """Whether it tells of a customer that was erased after the page was read."""
        told = {key_of(row) for row in page.rows if row["topic"] != ERASURE_TOPIC and not is_erased(row)}
        if not told:
            return False
        merchant_ids, customer_ids = zip(*told, strict=True)
        return bool(await self._session.fetch(ERASED_AMONG, merchant_ids, customer_ids))

    async def _made_page(self) -> OutboxPage:
        page, self._following = self._following, None
        while self._trail and self._trail[0][0] < monotonic() - LATE_SECONDS:
            self._gone = self._trail.popleft()[1]
        page = page or await self._page_after(self._gone)
        if page is None:  # a row was committed late, below where the search began
            self._gone = 0
            rows = up_to_erasures(await self._session.fetch(OUTBOX_PAGE, 0, self._page))
            page = OutboxPage(rows, await self._outgoing.messages(rows))
        return page

    async def _page_after(self, notification_id: int, leaving: Iterable[int] = ()) -> OutboxPage | None:
        """The rows beyond this one; None if one of them would overtake a row that is not among `leaving`."""
        rows = up_to_erasures(await self._session.fetch(OUTBOX_PAGE, notification_id, self._page))
        before = set(leaving)
        for row in rows:
            if row["waiting_before"] is not None and row["waiting_before"] not in before:
                return None
            before.add(row["notification_id"])
        return OutboxPage(rows, await self._outgoing.messages(rows))

    async def _publish(self, page: OutboxPage) -> None:
        """Have what the page tells in the stream, and its rows gone."""
        for row in page.erasures():
            await self._stream.erase(STREAM, subject_of(*key_of(row)))
        if page.messages:
            await self._publish_messages(page)
        else:
            await self._session.fetch(DROP_FROM_OUTBOX, page.ids())
        self._trail.append((monotonic(), page.ids()[-1]))

    async def _publish_messages(self, page: OutboxPage) -> None:
        """Publish and mark; meanwhile, if there is more, make the next page."""
        ids = page.ids()
        publishing = asyncio.create_task(
            self._stream.publish_in_order(page.messages, last_sequence=self._last_sequence)
        )
        try:
            if len(ids) == self._page:
                self._following = await self._page_after(ids[-1], leaving=ids)
        finally:
            self._last_sequence = await publishing
        last_id = page.messages[-1].headers["Nats-Msg-Id"]
        await self._session.fetch(MARK_PUBLISHED, ids, self._last_sequence, last_id)


def up_to_erasures(rows: list[Row]) -> list[Row]:
    """The rows up to the last erasure that there is time for before the session counts as idle."""
    ends = [number for number, row in enumerate(rows, 1) if row["topic"] == ERASURE_TOPIC]
    return rows if len(ends) <= ERASURES_IN_A_PAGE else rows[: ends[ERASURES_IN_A_PAGE - 1]]
