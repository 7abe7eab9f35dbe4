"""The load that `customers demo` makes: customers over REST, charges and invoices over JetStream, at a rate.

In: a running service, as dev.json has it, and an event that ends the run. Out: `Totals`, kept up to date
while it runs. It knows no more than any other client: the URL, a key, and NATS.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from random import Random
from typing import Any, Protocol

import aiohttp

from service.clock import new_id, now
from service.demo.payments import Happening, charge_life, invoice_life
from service.demo.people import invent_change, invent_customer
from service.demo.totals import Totals

CREATING_AT_ONCE = 8
REQUEST_SECONDS = 10.0
LIVES_AT_ONCE = 12
EVENTS_OF_ONE = 50
"""Events a second of one publisher, who waits for each acknowledgement."""
CHARGES = 0.75
"""The part of the lives that are charges'; the others are invoices'."""
SAMPLE = 0.1
"""The part of the lives that are the sample customer's, so that its stats are seen to move."""
CHANGES = 0.05
DELETIONS = 0.01
"""How often, beside an event, a customer is changed, or deleted and another created."""


class DemoError(Exception):
    """The demo cannot go on; its text is one clear line."""


class Broker(Protocol):
    """What it needs of `events.stream.jetstream.JetStream`."""

    async def publish(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        """Publish and wait for the acknowledgement. Raises BrokerError."""


class Shop:
    """The service's REST API, as a shop uses it."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, api_key: str) -> AsyncIterator[Shop]:
        """A shop for a block."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        async with aiohttp.ClientSession(headers={"X-API-Key": api_key}, timeout=timeout) as session:
            yield cls(session, url)

    async def create(self, body: dict[str, Any]) -> str:
        """A new customer's id."""
        customer_id: str = (await self._call("POST", "", body))["id"]
        return customer_id

    async def change(self, customer_id: str, body: dict[str, Any]) -> None:
        """A merge patch."""
        await self._call("PATCH", f"/{customer_id}", body)

    async def delete(self, customer_id: str) -> None:
        """The customer is gone; its charges and invoices are not."""
        await self._call("DELETE", f"/{customer_id}", None)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            async with self._session.request(method, f"{self._url}/v1/customers{path}", json=body) as answer:
                found: dict[str, Any] = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise DemoError(f"{self._url} does not answer {method} /v1/customers: {reason}") from None
        if answer.status >= 400:
            raise DemoError(f"{method} /v1/customers was refused ({answer.status}): {found.get('message')}")
        return found


class Load:
    """One run's customers, and what happens to them."""

    def __init__(self, shop: Shop, broker: Broker, merchant_id: str, chance: Random) -> None:
        self.totals = Totals()
        self.customers: list[str] = []
        """Those that live; the first is the sample, which is never deleted."""
        self._shop = shop
        self._broker = broker
        self._merchant_id = merchant_id
        self._chance = chance

    async def create_customers(self, count: int, stop: asyncio.Event) -> None:
        """Create so many, a few at a time, unless stopped."""
        while len(self.customers) < count and not stop.is_set():
            missing = count - len(self.customers)
            # The sample is there, and shown, before the others.
            at_once = min(missing, CREATING_AT_ONCE) if self.customers else 1
            await asyncio.gather(*(self._create() for _ in range(at_once)))

    async def run(self, rate: float, stop: asyncio.Event) -> None:
        """Publish `rate` events a second, and now and then change customers, until stopped."""
        publishers = math.ceil(rate / EVENTS_OF_ONE)
        await asyncio.gather(
            at_rate(self._change_one, rate * (CHANGES + DELETIONS), stop),
            *(at_rate(partial(self._publish_next, []), rate / publishers, stop) for _ in range(publishers)),
        )

    async def _create(self) -> None:
        self.customers.append(await self._shop.create(invent_customer(self._chance)))
        self.totals.customers += 1

    async def _publish_next(self, lives: list[Iterator[Happening]]) -> None:
        """The next of one of these lives; a publisher has its own, so that each goes on in order."""
        if len(lives) < LIVES_AT_ONCE:
            lives.append(self._new_life())
        life = self._chance.choice(lives)
        happening = next(life, None)
        if happening is None:
            lives.remove(life)
            await self._publish_next(lives)
            return
        await self._broker.publish(happening.subject, happening.body, happening.headers)
        self.totals.note(happening)

    def _new_life(self) -> Iterator[Happening]:
        sample = self._chance.random() < SAMPLE
        whose = self.customers[0] if sample else self._chance.choice(self.customers)
        if self._chance.random() < CHARGES:
            return charge_life(
                self._chance, now,
                charge_id=new_id("chrg_"), merchant_id=self._merchant_id, customer_id=whose,
            )  # fmt: skip
        return invoice_life(
            self._chance, now,
            invoice_id=new_id("inv_"), merchant_id=self._merchant_id, customer_id=whose,
        )  # fmt: skip

    async def _change_one(self) -> None:
        if len(self.customers) > 1 and self._chance.random() < DELETIONS / (CHANGES + DELETIONS):
            gone = self.customers.pop(self._chance.randrange(1, len(self.customers)))
            await self._shop.delete(gone)
            self.totals.deletions += 1
            await self._create()
        else:
            await self._shop.change(self._chance.choice(self.customers), invent_change(self._chance))
            self.totals.changes += 1


async def at_rate(act: Callable[[], Awaitable[None]], rate: float, stop: asyncio.Event) -> None:
    """Act so many times a second until stopped; what was missed for more than a second is not made up for."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while not stop.is_set():
        await act()
        due = max(due + 1 / rate, loop.time() - 1)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await stop.wait()
