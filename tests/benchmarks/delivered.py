"""From acknowledged to delivered: how long after its 201 a create is at a subscriber, 500 creates a second.

Comes in: an API and a relay of their own. Goes out: facts. The subscriber is a plain ordered consumer of
nats-py, as anybody would write one, in this process; the creates come from another.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import nats
from nats.js.api import DeliverPolicy

from events.wire.message import STREAM, SUBJECTS
from tests.benchmarks.bench import Bench
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.ours import ours, working
from tests.benchmarks.results import Fact
from tests.benchmarks.visible import RATE, percentile, send_creates
from tests.benchmarks.waiting import until

if TYPE_CHECKING:
    from nats.aio.msg import Msg

NAME = "delivered"
P50_MILLISECONDS = 10.0
P99_MILLISECONDS = 50.0
LAST_SECONDS = 10  # how long the last create may take to arrive


async def run(bench: Bench) -> None:
    """Warm up, then listen while creates come in."""
    nats_url = await bench.broker.emptied()
    async with (
        ours(bench.databases, bench.directory, bench.plan.merchants, name=NAME) as api,
        working("relay", bench.databases, bench.directory, name=NAME, nats_url=nats_url),
    ):
        await bench.settle(NAME)
        await send_creates(api, bench.plan.warm_up, "warm")
        arrived: dict[str, float] = {}

        async def note(message: Msg) -> None:
            arrived.setdefault(message.subject.split(".")[3], time.monotonic())

        client = await nats.connect(nats_url, allow_reconnect=False)
        try:
            await client.jetstream().subscribe(
                SUBJECTS, cb=note, stream=STREAM, ordered_consumer=True, deliver_policy=DeliverPolicy.NEW
            )
            with bench.console.status(f"{NAME}: listening at {RATE} creates a second"):
                sent = await send_creates(api, bench.plan.steady, "paced")

            async def is_complete() -> bool:
                return all(one.customer_id in arrived for one in sent)

            async with asyncio.timeout(LAST_SECONDS):
                await until(is_complete, "a message about each create")
        except TimeoutError:
            raise BenchmarkFailed(f"a create was not delivered within {LAST_SECONDS} s") from None
        finally:
            await client.close()
    # A message may be there before the 201 is.
    late = [max(0.0, arrived[one.customer_id] - one.acknowledged) for one in sent]
    where = f"Acknowledged to delivered at {RATE} creates/s"
    bench.keep(Fact(f"{where}, p50", percentile(late, 50), "ms", P50_MILLISECONDS))
    bench.keep(Fact(f"{where}, p99", percentile(late, 99), "ms", P99_MILLISECONDS))
    bench.keep(Fact(f"{where}, slowest", max(late) * 1000, "ms"))
    answered = [one.acknowledged - one.due for one in sent]
    bench.keep(Fact(f"Due to acknowledged at {RATE} creates/s, p50", percentile(answered, 50), "ms"))
