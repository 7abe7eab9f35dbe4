"""A batch of 100 creates against 100 creates one after another, both on one kept connection.

Comes in: our API. Goes out: facts; the target is how many batches' time the single creates take. Their
clients differ in nothing: the same bodies, the same session, encoded beforehand.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from itertools import count

import aiohttp

from tests.benchmarks.bench import Bench
from tests.benchmarks.contenders import OURS
from tests.benchmarks.customers import CREATE, PATH
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.load import NUMBER, RUN
from tests.benchmarks.results import Fact

ITEMS = 100
PAIRS_A_ROUND = 5
TIMES = 8.0


async def run(bench: Bench) -> None:
    """Measure both in turn, and compare pair by pair."""
    ours = bench.contenders[OURS]
    await bench.settle("batch")
    headers = {"X-API-Key": ours.keys[0], "Content-Type": "application/json"}
    bodies = _bodies()
    async with aiohttp.ClientSession(ours.url, headers=headers) as session:
        await _pair(session, bodies)
        with bench.console.status("batch: creates one by one, and in batches"):
            pairs = [await _pair(session, bodies) for _ in range(PAIRS_A_ROUND * bench.plan.rounds)]
    singles, batches = zip(*pairs, strict=True)
    ratio = statistics.median(single / batch for single, batch in pairs)
    bench.keep(Fact(f"{ITEMS} creates one after another", statistics.median(singles) * 1000, "ms"))
    bench.keep(Fact(f"a batch of {ITEMS} creates", statistics.median(batches) * 1000, "ms"))
    bench.keep(Fact("one after another / a batch", ratio, "x", at_least=TIMES))


async def _pair(session: aiohttp.ClientSession, bodies: Iterator[str]) -> tuple[float, float]:
    """The seconds that the two take."""
    singles = [next(bodies) for _ in range(ITEMS)]
    batch = f'{{"customers":[{",".join(next(bodies) for _ in range(ITEMS))}]}}'
    began = time.perf_counter()
    for body in singles:
        await _post(session, PATH, body)
    between = time.perf_counter()
    answer = await _post(session, f"{PATH}/batch", batch)
    ended = time.perf_counter()
    if [result["status"] for result in json.loads(answer)["results"]] != [201] * ITEMS:
        raise BenchmarkFailed(f"an item of a batch was refused: {answer[:500]!r}")
    return between - began, ended - between


async def _post(session: aiohttp.ClientSession, path: str, body: str) -> bytes:
    async with session.post(path, data=body) as answer:
        content = await answer.read()
        if answer.status not in {200, 201}:
            raise BenchmarkFailed(f"{path} answered {answer.status}: {content[:500]!r}")
        return content


def _bodies() -> Iterator[str]:
    run = f"batch{time.time_ns()}"
    return (CREATE.replace(RUN, run).replace(NUMBER, str(number)) for number in count())
