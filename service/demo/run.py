"""One run of `customers demo`, from finding the service to the summary.

In: the settings, how much of it, what is told while it runs. Out: the `Load`, with its totals. What is not
there (a running service, NATS, its streams) is told in one line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import NamedTuple

from events.stream.jetstream import JetStream
from service.demo.load import DemoError, Load, Shop
from service.embedded.data_directory import Announcement, DataDirectory
from service.projecting import BILLING_STREAMS
from service.settings import Settings

STREAM_TRIES = 50
"""The service makes the streams soon after it is ready."""
POLL_SECONDS = 0.1
TELL_SECONDS = 1.0


class Plan(NamedTuple):
    """How much: events a second, customers, and seconds (None: until stopped)."""

    rate: float
    customers: int
    seconds: float | None


Tell = Callable[[Load], None]


def find_running(settings: Settings) -> Announcement:
    """What the `customers up` on the data directory announces. Raises DemoError when none runs."""
    running = DataDirectory(settings.data_dir).running()
    if running is None:
        raise DemoError(
            f"no `customers up` is ready on {settings.data_dir.resolve()} (--data-dir names another)"
        )
    return running


async def run_demo(
    running: Announcement, plan: Plan, chance: Random, *, stop: asyncio.Event, tell: Tell
) -> Load:
    """Make the load until `stop` is set or the time is over; `tell` gets it every second, and at the end.

    Raises:
        BrokerError, DemoError.
    """
    if running.nats_url is None:
        raise DemoError("the `customers up` that runs here has no NATS")
    async with JetStream.connect(running.nats_url) as broker, Shop.open(running.url, running.api_key) as shop:
        await require_streams(broker)
        load = Load(shop, broker, running.merchant_id, chance)
        ending = asyncio.create_task(set_after(stop, plan.seconds))
        telling = asyncio.create_task(keep_telling(tell, load))
        try:
            await load.create_customers(plan.customers, stop)
            await load.run(plan.rate, stop)
        finally:
            for task in (ending, telling):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        tell(load)
    return load


async def require_streams(broker: JetStream) -> None:
    """Wait for the streams a little. Raises DemoError when one is missing still: nobody would take events."""
    for name, subjects in BILLING_STREAMS.items():
        for _ in range(STREAM_TRIES):
            if await broker.stream(name) is not None:
                break
            await asyncio.sleep(POLL_SECONDS)
        else:
            raise DemoError(f"NATS has no stream {name}: make it with subjects {subjects}")


async def set_after(stop: asyncio.Event, seconds: float | None) -> None:
    """Set the event after so long, if there is an end."""
    if seconds is not None:
        await asyncio.sleep(seconds)
        stop.set()


async def keep_telling(tell: Tell, load: Load) -> None:
    """Tell every second."""
    while True:
        await asyncio.sleep(TELL_SECONDS)
        tell(load)
