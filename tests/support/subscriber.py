"""Readers by the subscriber's file, and a merchant whose API, relay and NATS a test starts and stops.

In: a database and a NATS of the test's own. Out: `Publisher`, which makes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import psutil
import pytest

from deploy.subscriber.customer_events import CustomerEvent, CustomerEvents
from events.stream.broker import Broker
from events.stream.relay import run_relay
from events.wire.message import STREAM
from service.app import run_api
from service.embedded.nats import EmbeddedNats
from service.settings import Settings
from tests.support.api import LOOPBACK, Client, Operator, api_failed, client_session, operating
from tests.support.databases import TestDatabase
from tests.support.nats_servers import raw_jetstream
from tests.support.serve import comes_about

PATIENCE = 30.0  # seconds


@dataclass
class Publisher:
    """One merchant's events, on their way. `url` stays the same when the API is started again."""

    database: TestDatabase
    operator: Operator
    session: aiohttp.ClientSession
    nats: EmbeddedNats
    merchant_id: str
    key: str
    url: str = ""
    created: int = 0
    _running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def client(self) -> Client:
        """A client of the merchant."""
        return Client(self.session, self.url, self.key)

    def subscriber(self, **options: Any) -> CustomerEvents:
        """A subscriber named crm that begins at the beginning, unless told otherwise."""
        usual: dict[str, Any] = {
            "nats": self.nats.url,
            "api": self.url,
            "api_key": self.key,
            "merchant_id": self.merchant_id,
            "durable": "crm",
            "after": 0,
        }
        return CustomerEvents(**(usual | options))

    async def start_api(self) -> None:
        """Serve, where it was served before."""
        ready = asyncio.get_running_loop().create_future()
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        api = asyncio.create_task(
            run_api(
                Settings(),
                database_url=self.database.url,
                master_keys=self.operator.master_keys,
                host=LOOPBACK,
                port=port,
                on_ready=ready.set_result,
                stop=asyncio.Event(),
            )
        )
        await asyncio.wait({api, ready}, return_when=asyncio.FIRST_COMPLETED)
        self.url = ready.result() if ready.done() else await api_failed(api)
        self._running["api"] = api

    async def start_relay(self, broker: Broker | None = None) -> None:
        """Relay from now on."""
        relay = run_relay(self.database.url, broker or self.nats.url, self.operator.master_keys)
        self._running["relay"] = asyncio.create_task(relay)

    async def stop(self, *names: str) -> None:
        """Stop `api`, `relay`, or whatever runs."""
        for name in names or tuple(self._running):
            task = self._running.pop(name)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def create(self, count: int = 1) -> list[str]:
        """So many customers more; their ids."""
        ids = []
        for _ in range(count):
            self.created += 1
            customer = await self.client.created(email=f"{self.created}@example.com")
            ids.append(customer["id"])
        return ids

    async def erase(self, customer_id: str) -> None:
        """Have a person forgotten."""
        _, key = await self.operator.key(self.merchant_id, frozenset({"erase"}))
        answer = await self.client.having(key).request("POST", f"/v1/customers/{customer_id}/erase")
        assert answer.status == 200, answer.body

    async def of_new_merchant(self) -> Publisher:
        """The same servers as a new merchant sees them."""
        merchant_id = await self.operator.merchant()
        _, key = await self.operator.key(merchant_id)
        return replace(self, merchant_id=merchant_id, key=key)

    async def use_up(self, key: str) -> None:
        """Ask under this key until its rate limit is reached."""
        while (await self.client.having(key).page(limit=1)).status != 429:
            pass

    async def has_relayed(self) -> None:
        """Return once nothing waits in the outbox."""

        async def is_empty() -> bool:
            return not await self.operator.select("SELECT FROM events.outbox")

        await comes_about(is_empty, PATIENCE, "an empty outbox")

    async def told_by_nats(self, events: CustomerEvents) -> list[CustomerEvent]:
        """Create until an event comes from NATS; what was told up to there."""
        told: list[CustomerEvent] = []
        while not told or not told[-1].hash:
            await self.create()
            told += await take(events, 1)
            await asyncio.sleep(0)
        return told

    async def told_by_the_feed(self, events: CustomerEvents) -> list[CustomerEvent]:
        """Create until an event comes from the feed; what was told up to there."""
        told: list[CustomerEvent] = []
        while not told or told[-1].hash:
            await self.create()
            told += await take(events, 1)
        return told

    def nats_process(self) -> psutil.Process:
        """The server, to be sent signals."""
        return psutil.Process(int((self.nats.directory / "pid").read_text()))

    async def redelivered(self) -> int:
        """How many messages the consumer waits for that were delivered more than once."""
        async with raw_jetstream(self.nats.url) as stream:
            return (await stream.consumer_info(STREAM, "crm")).num_redelivered or 0

    async def acknowledged(self, durable: str = "crm") -> tuple[int, int]:
        """Up to which sequence of the stream the consumer is done, and how many it waits for."""
        async with raw_jetstream(self.nats.url) as stream:
            info = await stream.consumer_info(STREAM, durable)
        return info.ack_floor.stream_seq if info.ack_floor else 0, info.num_ack_pending or 0

    async def has_acknowledged(self, sequence: int, waiting: int = 0) -> None:
        """Return once the consumer is done so far."""

        async def is_done() -> bool:
            return await self.acknowledged() == (sequence, waiting)

        await comes_about(is_done, PATIENCE, f"an acknowledgement of {sequence}")


async def has_logged(logged: pytest.LogCaptureFixture, text: str, times: int = 1) -> None:
    """Return once the text was logged so often."""

    async def is_logged() -> bool:
        return logged.text.count(text) >= times

    await comes_about(is_logged, PATIENCE, text)


async def take(events: CustomerEvents, count: int, seconds: float = PATIENCE) -> list[CustomerEvent]:
    """The next so many events, whose last is not acknowledged yet."""
    async with asyncio.timeout(seconds):
        return [await anext(events) for _ in range(count)]


async def vanish(events: CustomerEvents) -> None:
    """What is left of a subscriber that was killed: nothing is acknowledged, and nothing given back."""
    attaching, events._attaching = events._attaching, None
    assert attaching is not None
    attaching.cancel()
    await asyncio.wait([attaching])
    await events._feed.close()


def positions(events: Sequence[CustomerEvent]) -> list[int]:
    return [event.position for event in events]


@asynccontextmanager
async def publishing(
    database: TestDatabase, server: EmbeddedNats, *, like: Publisher | None = None
) -> AsyncIterator[Publisher]:
    """A merchant with an API and a relay; `like` another one, of which the database is a copy."""
    keys = like.operator.master_keys if like is not None else None
    async with operating(database, keys) as operator, client_session() as session:
        if like is None:
            merchant_id = await operator.merchant()
            _, key = await operator.key(merchant_id)
            publisher = Publisher(database, operator, session, server, merchant_id, key)
        else:
            publisher = replace(like, database=database, operator=operator, session=session, _running={})
        await publisher.start_api()
        await publisher.start_relay()
        try:
            yield publisher
        finally:
            await publisher.stop()
