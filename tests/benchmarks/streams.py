"""Streams of events: what a thousand of them cost while nothing happens, and how soon all have an event.

Comes in: an API of its own. Goes out: facts. All streams are of one merchant and of one client, a process
apart from the API on the same machine; an event's time runs from the answer to the POST until the last stream
has it. At the end one client reads the whole feed, page by page.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from urllib.parse import urlsplit

import aiohttp
import orjson
import psutil

from tests.benchmarks.bench import Bench
from tests.benchmarks.contenders import Contender
from tests.benchmarks.customers import CREATE, PATH, creates
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.load import NUMBER, RUN
from tests.benchmarks.ours import ours
from tests.benchmarks.processes import cpu_seconds
from tests.benchmarks.results import Fact

NAME = "streams"
MEMORY_MIB = 60.0  # of a thousand
SLOWEST_MILLISECONDS = 250.0
EVENTS = 60
PAUSE_SECONDS = 0.1
IDLE_SECONDS = 5.0
CATCHING_UP = 32  # connections that create what is read then
LAST_SECONDS = 10
OPEN = b"retry: "


class Audience:
    """How many streams have an event, and when the last of them got it."""

    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._having: dict[bytes, int] = {}
        self._complete: dict[bytes, asyncio.Future[float]] = {}

    def expects(self, position: bytes) -> asyncio.Future[float]:
        """When all of them will have had it."""
        return self._complete.setdefault(position, asyncio.get_running_loop().create_future())

    def has(self, position: bytes) -> None:
        """One more stream has it."""
        having = self._having[position] = self._having.get(position, 0) + 1
        if having == self._streams:
            self.expects(position).set_result(time.perf_counter())


class Listener(asyncio.Protocol):
    """One stream: it looks for ids, and for nothing else."""

    def __init__(self, request: bytes, audience: Audience) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._audience = audience
        self._line = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take note of each event."""
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            if line.startswith(b"id: "):
                self._audience.has(line[4:])
            elif line.startswith(OPEN):
                self.opened.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It must not end before the benchmark does."""
        if not self.opened.done():
            self.opened.set_exception(BenchmarkFailed(f"a stream was not opened: {exc or self._line!r}"))


async def run(bench: Bench) -> None:
    """Open them, leave them alone, and then write."""
    async with (
        ours(bench.databases, bench.directory, 1, name=NAME) as api,
        aiohttp.ClientSession() as session,
    ):
        await bench.settle(NAME)
        for number in range(EVENTS):  # warm
            await _post(session, api, f"warm{number}")
        process, audience = psutil.Process(api.process.pid), Audience(bench.plan.streams)
        before = process.memory_info().rss
        transports = await _open_and_leave(bench, api, audience, process)
        with bench.console.status(f"{NAME}: writing"):
            took = [await _tell(session, api, audience, number) for number in range(EVENTS)]
        title = f"From a POST's answer until all {bench.plan.streams:,} streams have it"
        bench.keep(Fact(f"{title}, p50", statistics.median(took) * 1000, "ms"))
        bench.keep(Fact(f"{title}, slowest of {EVENTS}", max(took) * 1000, "ms", SLOWEST_MILLISECONDS))
        grown = (process.memory_info().rss - before) / 2**20
        bench.keep(Fact(f"{bench.plan.streams:,} streams, after {EVENTS} events: memory", grown, "MiB"))
        for transport in transports:
            transport.abort()
        await _catch_up(bench, session, api)


async def _open_and_leave(
    bench: Bench, api: Contender, audience: Audience, process: psutil.Process
) -> list[asyncio.Transport]:
    """The streams, which have been idle for a while."""
    before, began = process.memory_info().rss, time.perf_counter()
    with bench.console.status(f"{NAME}: opening {bench.plan.streams:,}"):
        transports = await _open(bench, api, audience)
    title = f"{bench.plan.streams:,} idle streams"
    bench.keep(Fact(f"{title}: opened, all at once, within", time.perf_counter() - began, "s"))
    spent = cpu_seconds([process])
    await asyncio.sleep(IDLE_SECONDS)
    busy = (cpu_seconds([process]) - spent) / IDLE_SECONDS * 100
    bench.keep(Fact(f"{title}: processor time of the process", busy, "%"))
    grown = (process.memory_info().rss - before) / 2**20
    bench.keep(Fact(f"{title}: memory", grown, "MiB", MEMORY_MIB * bench.plan.streams / 1000))
    return transports


async def _open(bench: Bench, api: Contender, audience: Audience) -> list[asyncio.Transport]:
    where = urlsplit(api.url)
    assert where.hostname
    assert where.port
    request = (
        f"GET /v1/events?after={EVENTS} HTTP/1.1\r\nHost: {where.netloc}\r\nX-API-Key: {api.keys[0]}\r\n"
        "Accept: text/event-stream\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Listener(request, audience), where.hostname, where.port)
        for _ in range(bench.plan.streams)
    ]
    await asyncio.gather(*(listener.opened for _, listener in made))
    return [transport for transport, _ in made]


async def _tell(session: aiohttp.ClientSession, api: Contender, audience: Audience, number: int) -> float:
    """Write, and give the seconds until all have it."""
    complete = audience.expects(b"%d" % (EVENTS + number + 1))
    await _post(session, api, f"told{number}")
    answered = time.perf_counter()
    try:
        async with asyncio.timeout(LAST_SECONDS):
            took = max(0.0, await complete - answered)
    except TimeoutError:
        raise BenchmarkFailed(f"a stream did not have an event after {LAST_SECONDS} s") from None
    await asyncio.sleep(PAUSE_SECONDS)
    return took


async def _catch_up(bench: Bench, session: aiohttp.ClientSession, api: Contender) -> None:
    """Create some thousands, and read all that happened."""
    await bench.fire(creates(api), CATCHING_UP, bench.plan.seconds)
    began, events, after, has_more = time.perf_counter(), 0, 0, True
    while has_more:
        url = f"{api.url}/v1/events?after={after}&limit=1000"
        async with session.get(url, headers={"X-API-Key": api.keys[0]}) as answer:
            page = orjson.loads(await answer.read())
        events += len(page["data"])
        after, has_more = page["nextAfter"], page["hasMore"]
    if events != after:
        raise BenchmarkFailed(f"the feed had {events} events up to {after}")
    rate = events / (time.perf_counter() - began)
    bench.keep(Fact(f"Pages of 1,000, one after another, {events:,} events", rate, "events/s"))


async def _post(session: aiohttp.ClientSession, api: Contender, run_name: str) -> None:
    body = CREATE.replace(RUN, run_name).replace(NUMBER, "0")
    headers = {"X-API-Key": api.keys[0], "Content-Type": "application/json"}
    async with session.post(api.url + PATH, data=body, headers=headers) as answer:
        if answer.status != 201:
            raise BenchmarkFailed(f"{api.name} answered {answer.status}: {await answer.text()}")
