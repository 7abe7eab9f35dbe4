"""Creates at a fixed rate, each sent when it is due whether or not earlier ones were answered (an open loop).

Comes in, as JSON on the command line: a `Pace`. Goes out, as JSON on stdout: a list of `Sent`. Any answer
that is not 201 ends it with status 1. A process of its own, so that sending does not delay whoever measures.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import NamedTuple

import aiohttp
import orjson
import uvloop

from tests.benchmarks.customers import CREATE, PATH
from tests.benchmarks.load import NUMBER, RUN


class Pace(NamedTuple):
    """What to send: creates a second, for so many seconds, spread over the keys."""

    url: str
    keys: list[str]
    rate: int
    seconds: float
    run: str


class Sent(NamedTuple):
    """A create that was answered.

    `key` is the index of its API key; times are seconds of the monotonic clock, which all processes share.
    """

    key: int
    customer_id: str
    due: float
    sent: float
    acknowledged: float


async def send(pace: Pace) -> list[Sent]:
    """Send them all and wait for all answers."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number in range(round(pace.rate * pace.seconds)):
                due = began + number / pace.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                tasks.append(group.create_task(_create(session, pace, number, due)))
        return [task.result() for task in tasks]


async def _create(session: aiohttp.ClientSession, pace: Pace, number: int, due: float) -> Sent:
    key = number % len(pace.keys)
    headers = {"X-API-Key": pace.keys[key], "Content-Type": "application/json"}
    body = CREATE.replace(RUN, pace.run).replace(NUMBER, str(number))
    sent = time.monotonic()
    async with session.post(pace.url + PATH, data=body, headers=headers) as answer:
        customer = orjson.loads(await answer.read())
        return Sent(key, customer["id"], due, sent, time.monotonic())


if __name__ == "__main__":
    asked = Pace(*orjson.loads(sys.argv[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(orjson.dumps([tuple(one) for one in runner.run(send(asked))]))
