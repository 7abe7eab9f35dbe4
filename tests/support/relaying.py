"""A store, a NATS of the test's own, and what must hold between them once the relay has been at work.

In: a store. Out: `Relaying`: relays to run, the stream as it is, and the check that it holds every stored
event once, in order (I4 of the fault matrix).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import nats.js.errors

from events.database import Connection
from events.jetstream import JetStream
from events.message import STREAM
from events.relay import SESSION, Relay
from projections.delivery import Delivery
from service.embedded_nats import EmbeddedNats
from tests.support.directories import short_directory
from tests.support.nats_servers import fresh_nats, raw_jetstream
from tests.support.store import Store

EVERYTHING = "SELECT merchant_id, position, hash FROM events.customer_events ORDER BY merchant_id, position"


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
    async def relay(self, *, page: int = 1000) -> AsyncIterator[Relay]:
        """A relay, for a block."""
        session = Connection(self.store.url, SESSION, reopens=False)
        try:
            async with JetStream.connect(self.server.url) as stream:
                yield Relay(session, stream, self.store.master_keys, page=page)
        finally:
            await session.close()

    async def run(self, *, page: int = 1000) -> int:
        """Relay until the outbox is empty, as a relay that begins; how many were published."""
        async with self.relay(page=page) as relay:
            published = 0
            while count := await relay.relay_page():
                published += count
            return published

    async def stream(self) -> list[Delivery]:
        """Everything in the stream, in order."""
        async with raw_jetstream(self.server.url) as stream:
            last = (await stream.stream_info(STREAM)).state.last_seq
            return [message for number in range(1, last + 1) if (message := await _get(stream, number))]

    async def check(self) -> list[Delivery]:
        """Assert that every stored event is in the stream once, in order, and the outbox empty (I4)."""
        deliveries = await self.stream()
        ledgers: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for delivery in deliveries:
            merchant_id = delivery.subject.split(".")[2]
            headers = delivery.headers
            ledgers[merchant_id].append((int(headers["ce-sequence"]), headers["ce-hash"]))
        stored: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for row in await self.store.select(EVERYTHING):
            stored[row["merchant_id"]].append((row["position"], row["hash"].hex()))
        assert ledgers == stored
        assert await self.store.select("SELECT FROM events.outbox") == []
        return deliveries


async def _get(stream: Any, number: int) -> Delivery | None:
    try:
        found = await stream.get_msg(STREAM, number)
    except nats.js.errors.NotFoundError:
        return None
    return Delivery(STREAM, found.subject, found.seq, found.headers or {}, found.data)
