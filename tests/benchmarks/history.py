"""The past of one customer with very many versions: pages of its history, versions, moments.

Comes in: an API of its own. Goes out: facts. Requests come one after another, each at a random place.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.benchmarks.bench import Bench
from tests.benchmarks.customers import CREATE, PATH
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.ours import ours
from tests.benchmarks.results import Fact

NAME = "history"
REQUESTS = 300
PAGE_MILLISECONDS = 20.0
PAST_MILLISECONDS = 50.0


async def run(bench: Bench) -> None:
    """Make the customer, then read."""
    async with (
        ours(bench.databases, bench.directory, 1, name=NAME) as api,
        aiohttp.ClientSession(api.url, headers={"X-API-Key": api.keys[0]}) as session,
    ):
        versions = bench.plan.versions
        with bench.console.status(f"{NAME}: a customer of {versions:,} versions"):
            path, moments = await _live(session, versions)
        await bench.settle(NAME)

        def somewhere() -> int:
            return random.randrange(2, versions)

        reads: dict[str, tuple[Callable[[], str], float]] = {
            "A page of 100 events, newest first": (
                lambda: f"{path}/history?limit=100&startingAfter={somewhere()}",
                PAGE_MILLISECONDS,
            ),
            "A page of 100 events, oldest first": (
                lambda: f"{path}/history?limit=100&order=asc&startingAfter={somewhere()}",
                PAGE_MILLISECONDS,
            ),
            "version": (lambda: f"{path}?version={somewhere()}", PAST_MILLISECONDS),
            "asOf": (lambda: f"{path}?asOf={random.choice(moments)}", PAST_MILLISECONDS),
        }
        for title, (make, at_most) in reads.items():
            milliseconds = [await _get(session, make()) for _ in range(REQUESTS)]
            of = f"{title}, of {versions:,} versions"
            bench.keep(Fact(f"{of}, p50", statistics.median(milliseconds), "ms"))
            p99 = statistics.quantiles(milliseconds, n=100)[98]
            bench.keep(Fact(f"{of}, p99", p99, "ms", at_most=at_most))


async def _live(session: aiohttp.ClientSession, versions: int) -> tuple[str, list[str]]:
    """The customer's path, and moments of its life."""
    customer = await _json(session, "POST", PATH, CREATE)
    path = f"{PATH}/{customer['id']}"
    for version in range(2, versions + 1):
        await _json(session, "PATCH", path, f'{{"description": "Version {version}"}}')
    moments = []
    for beyond in range(100, versions, versions // 20):
        page = await _json(session, "GET", f"{path}/history?startingAfter={beyond}")
        moments += [event["recordedAt"] for event in page["data"]]
    return path, moments


async def _json(session: aiohttp.ClientSession, method: str, path: str, body: str | None = None) -> Any:
    headers = {"Content-Type": "application/json"} if body else {}
    async with session.request(method, path, data=body, headers=headers) as answer:
        if answer.status >= 300:
            raise BenchmarkFailed(f"{method} {path} answered {answer.status}: {await answer.text()}")
        return await answer.json()


async def _get(session: aiohttp.ClientSession, path: str) -> float:
    """How many milliseconds it took."""
    began = time.perf_counter()
    async with session.get(path) as answer:
        await answer.read()
        if answer.status != 200:
            raise BenchmarkFailed(f"{path} answered {answer.status}")
    return (time.perf_counter() - began) * 1000
