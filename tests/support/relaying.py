"""A store, a NATS of the test's own, and what must hold between them once the relay has been at work.

In: a store. Out: `Relaying`: relays to run, the stream as it is, and the check that it holds every stored
event once, in order, and of erased customers nothing but that (I4 of the fault matrix).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import asyncpg

from events.database import Connection
from events.errors import BatchRefused
from events.stream.jetstream import JetStream
from events.stream.relay import DEFAULTS, SESSION, Relay
from events.stream.settings import StreamSettings
from events.supervision import PAUSE_SECONDS
from events.wire.message import STREAM, SUBJECTS
from projections.delivery import Delivery
from service.embedded.nats import EmbeddedNats
from tests.support.directories import short_directory
from tests.support.nats_servers import fresh_nats, raw_jetstream
from tests.support.store import Store
from tests.support.wire import check_message

WHAT_LEAVES = """
SELECT e.merchant_id, e.position, e.hash
FROM events.customer_events AS e
WHERE e.topic = 'CustomerErased' OR NOT EXISTS (
    SELECT FROM events.customer_events AS o
    WHERE o.merchant_id = e.merchant_id AND o.originator_id = e.originator_id AND o.topic = 'CustomerErased'
)
ORDER BY e.merchant_id, e.position
"""


@contextmanager
def own_nats() -> Iterator[EmbeddedNats]:
    """A server for a block."""
    with short_directory() as directory, fresh_nats(directory / "nats") as server:
        yield server


@dataclass(frozen=True)
class Relaying:
    """The store and its server."""

    store: Store
    server: EmbeddedNats

    @asynccontextmanager
    async def relay(self, *, page: int = 1000, settings: StreamSettings = DEFAULTS) -> AsyncIterator[Relay]:
        """A relay, for a block."""
        session = Connection(self.store.url, SESSION, reopens=False)
        try:
            async with JetStream.connect(self.server.url) as stream:
                yield Relay(session, stream, self.store.master_keys, page=page, settings=settings)
        finally:
            await session.close()

    async def run(self, *, page: int = 1000, settings: StreamSettings = DEFAULTS) -> int:
        """Relay until the outbox is empty, as a relay that begins; how many were published."""
        published, refusals = 0, 0
        while True:
            try:
                async with self.relay(page=page, settings=settings) as relay:
                    while count := await relay.relay_page():
                        published += count
            except BatchRefused:  # the stream remembers for a moment what was in it
                refusals += 1
                assert refusals < 20
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return published

    async def stream(self, *, foreign: bool = False) -> list[Delivery]:
        """Everything in the stream, in order."""
        return await read_stream(self.server.url, foreign=foreign)

    async def check(self) -> list[Delivery]:
        """Assert that what has to leave is in the stream once, in order, and the outbox empty (I4)."""
        return await check_stream(self.store.admin_url, self.server.url)


async def read_stream(nats_url: str, *, foreign: bool = False) -> list[Delivery]:
    """Everything in the stream of customer events, in order; unless `foreign`, each is as it is described."""
    async with raw_jetstream(nats_url) as stream:
        count = (await stream.stream_info(STREAM)).state.messages
        subscription = await stream.subscribe(SUBJECTS, ordered_consumer=True)
        received = [await subscription.next_msg(timeout=10) for _ in range(count)]
    for one in received if not foreign else ():
        check_message(one.subject, one.headers or {}, one.data)
    return [
        Delivery(STREAM, one.subject, one.metadata.sequence.stream, one.headers or {}, one.data)
        for one in received
    ]


async def check_stream(admin_url: str, nats_url: str) -> list[Delivery]:
    """Assert that what has to leave is in the stream once, in order, and the outbox empty (I4)."""
    deliveries = await read_stream(nats_url)
    ledgers: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for delivery in deliveries:
        headers = delivery.headers
        ledgers[delivery.subject.split(".")[2]].append((int(headers["ce-sequence"]), headers["ce-hash"]))
    connection = await asyncpg.connect(admin_url)
    try:
        stored: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for merchant_id, position, hash_ in await connection.fetch(WHAT_LEAVES):
            stored[merchant_id].append((position, hash_.hex()))
        assert ledgers == stored
        assert await connection.fetch("SELECT FROM events.outbox") == []
    finally:
        await connection.close()
    return deliveries
