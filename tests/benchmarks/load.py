"""Load from `wrk`: one thread, many connections, for so many seconds.

Comes in: what to send (a Load) and how hard. Goes out: a Measurement, or BenchmarkFailed when a single answer
was an error, a connection broke, or a request timed out. A speed with errors in it is not a speed.
"""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.processes import output_of

SCRIPT = Path(__file__).with_name("wrk") / "load.lua"
NUMBER = "~" * 9
RUN = "{run}"
TIMEOUT_SECONDS = 10
_runs = itertools.count(1)


@dataclass(frozen=True)
class Load:
    """Requests of one kind: `targets` are (path, API key), one of them picked at random for each request.

    In `body`, NUMBER becomes a number unique in the run and RUN the run's name: unique together.
    """

    url: str
    method: str
    targets: list[tuple[str, str]]
    body: str = ""
    idempotent: bool = False
    expected_status: int = 200


@dataclass(frozen=True)
class Measurement:
    """What one run of wrk saw; latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    slowest: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def find_wrk() -> str:
    """Give the path of wrk. Raises BenchmarkFailed with what to do when it is missing."""
    found = shutil.which("wrk")
    if found is None:
        raise BenchmarkFailed("wrk is missing: install wrk (on Debian: apt-get install wrk)")
    return found


async def fire(load: Load, *, connections: int, seconds: float, directory: Path) -> Measurement:
    """Send the load and measure it. Raises BenchmarkFailed on any answer that is not a success."""
    run = f"r{next(_runs)}"
    targets = directory / f"targets-{run}"
    targets.write_text("".join(f"{path} {key}\n" for path, key in load.targets))
    arguments = [load.method, str(targets), load.body.replace(RUN, run)]
    arguments += ["idempotent" if load.idempotent else "plain", run, run[1:]]
    shape = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"--timeout={TIMEOUT_SECONDS}s"]
    output = await output_of(
        [find_wrk(), *shape, "--latency", f"-s{SCRIPT}", load.url, "--", *arguments],
        limit_seconds=seconds + 2 * TIMEOUT_SECONDS,
    )
    targets.unlink()
    return _measurement(load, output)


async def probe(load: Load) -> bytes:
    """Send one request and check its status exactly; wrk itself only tells errors from the rest."""
    run = f"p{next(_runs)}"
    path, key = load.targets[0]
    headers = {"X-API-Key": key} | ({"Content-Type": "application/json"} if load.body else {})
    if load.idempotent:
        headers["Idempotency-Key"] = run
    body = load.body.replace(RUN, run).replace(NUMBER, "0" * len(NUMBER))
    async with (
        aiohttp.ClientSession() as session,
        session.request(load.method, load.url + path, headers=headers, data=body or None) as answer,
    ):
        content = await answer.read()
        if answer.status != load.expected_status:
            said = content.decode(errors="replace")[:500]
            raise BenchmarkFailed(f"{load.method} {load.url}{path} answered {answer.status}: {said}")
    return content


def _measurement(load: Load, output: str) -> Measurement:
    seen = json.loads(output.strip().rsplit("\n", 1)[-1])
    wrong = {kind: seen[kind] for kind in ("refused", "connect", "read", "write", "timeout") if seen[kind]}
    if wrong or not seen["requests"]:
        kinds = ", ".join(f"{count} {kind}" for kind, count in wrong.items()) or "no answer at all"
        raise BenchmarkFailed(
            f"{load.method} at {load.url}: of {seen['requests']} answers not all were a success ({kinds})"
        )
    return Measurement(
        requests=seen["requests"],
        seconds=seen["microseconds"] / 1e6,
        p50=seen["p50_us"] / 1000,
        p99=seen["p99_us"] / 1000,
        slowest=seen["max_us"] / 1000,
    )
