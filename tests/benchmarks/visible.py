"""From acknowledged to visible: how long after its 201 a new customer is in a list, at 500 creates a second.

Comes in: an API, a relay and a worker of their own. Goes out: facts. The list of one merchant is asked for
again and again by one client; that merchant's creates are the sample.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

import aiohttp
import orjson

from tests.benchmarks.bench import Bench
from tests.benchmarks.contenders import Contender
from tests.benchmarks.customers import PATH
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.following import following
from tests.benchmarks.ours import ours
from tests.benchmarks.paced import Pace, Sent
from tests.benchmarks.processes import output_of
from tests.benchmarks.results import Fact

NAME = "visible"
RATE = 500  # creates/s
P50_MILLISECONDS = 20.0
P99_MILLISECONDS = 100.0
WATCHED = 0  # the merchant whose list is watched
PAGE = 20
LAST_SECONDS = 10  # how long the last create may take to appear


async def run(bench: Bench) -> None:
    """Warm up, then watch a list while creates come in."""
    nats_url = await bench.broker.emptied()
    async with (
        ours(bench.databases, bench.directory, bench.plan.merchants, name=NAME) as api,
        following(bench, NAME, nats_url),
    ):
        await bench.settle(NAME)
        await send_creates(api, bench.plan.warm_up, "warm")
        with bench.console.status(f"{NAME}: watching a list at {RATE} creates a second"):
            sending = asyncio.create_task(send_creates(api, bench.plan.steady, "paced"))
            try:
                seen, looks = await _watch(api, sending)
            finally:
                sending.cancel()
                await asyncio.wait([sending])
            _keep(bench, await sending, seen, looks)


async def send_creates(api: Contender, seconds: float, run: str) -> list[Sent]:
    """Creates at the benchmark's rate, from another process."""
    pace = Pace(api.url, api.keys, RATE, seconds, run)
    command = [sys.executable, "-m", "tests.benchmarks.paced", orjson.dumps(tuple(pace)).decode()]
    return [Sent(*one) for one in orjson.loads(await output_of(command, limit_seconds=2 * seconds + 30))]


async def _watch(api: Contender, sending: asyncio.Task[list[Sent]]) -> tuple[dict[str, float], int]:
    """Look until all that was sent is there: when each customer was seen first, and how often was looked."""
    seen: dict[str, float] = {}
    looks, deadline = 0, None
    async with aiohttp.ClientSession(headers={"X-API-Key": api.keys[WATCHED]}) as session:
        while not sending.done() or not _sample(sending.result()).keys() <= seen.keys():
            if sending.done():
                deadline = deadline or time.monotonic() + LAST_SECONDS
                if time.monotonic() > deadline:
                    raise BenchmarkFailed(f"a create was not in the list after {LAST_SECONDS} s")
            await _look(session, api.url, seen)
            looks += 1
    return seen, looks


async def _look(session: aiohttp.ClientSession, url: str, seen: dict[str, float]) -> None:
    """Take note of what is new at the head of the list, further down only as long as all of a page is new."""
    moment, after = None, ""
    while True:
        async with session.get(f"{url}{PATH}?limit={PAGE}{after}") as answer:
            page = orjson.loads(await answer.read())
            if answer.status != 200:
                raise BenchmarkFailed(f"the list answered {answer.status}: {page}")
        moment = moment or time.monotonic()
        ids = [customer["id"] for customer in page["data"]]
        new = [customer_id for customer_id in ids if customer_id not in seen]
        seen.update(dict.fromkeys(new, moment))
        if len(new) < len(ids) or not page["hasMore"]:
            return
        after = f"&startingAfter={ids[-1]}"


def _sample(sent: list[Sent]) -> dict[str, Sent]:
    return {one.customer_id: one for one in sent if one.key == WATCHED}


def _keep(bench: Bench, sent: list[Sent], seen: dict[str, float], looks: int) -> None:
    sample = _sample(sent)
    # One that is in the list before its 201 has arrived was visible at once.
    visible = [max(0.0, seen[one.customer_id] - one.acknowledged) for one in sample.values()]
    answered = [one.acknowledged - one.due for one in sent]
    where = f"at {RATE} creates/s"
    bench.keep(Fact(f"Acknowledged to visible {where}, p50", percentile(visible, 50), "ms", P50_MILLISECONDS))
    bench.keep(Fact(f"Acknowledged to visible {where}, p99", percentile(visible, 99), "ms", P99_MILLISECONDS))
    bench.keep(Fact(f"Acknowledged to visible {where}, slowest", max(visible) * 1000, "ms"))
    bench.keep(Fact(f"Due to acknowledged {where}, p50", percentile(answered, 50), "ms"))
    bench.keep(Fact(f"Due to acknowledged {where}, p99", percentile(answered, 99), "ms"))
    late = percentile([one.sent - one.due for one in sent], 99)
    bench.keep(Fact(f"Due to sent {where}, p99: how late the load itself is", late, "ms"))
    seconds = max(one.acknowledged for one in sent) - min(one.due for one in sent)
    bench.keep(Fact("Creates acknowledged, to the last one", len(sent) / seconds, "a second"))
    bench.keep(
        Fact(f"Looks at the list, for a sample of {len(sample):,} creates", looks / seconds, "a second")
    )


def percentile(seconds: list[float], percent: int) -> float:
    """A percentile, in milliseconds."""
    return statistics.quantiles(seconds, n=100)[percent - 1] * 1000
