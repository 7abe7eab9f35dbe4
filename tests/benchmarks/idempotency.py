"""POST with an Idempotency-Key of its own for each request, against POST without."""

from __future__ import annotations

from tests.benchmarks.bench import Bench, Side
from tests.benchmarks.contenders import OURS
from tests.benchmarks.customers import creates

TARGET = 0.8


async def run(bench: Bench) -> None:
    """Compare our creates with a key to our creates without."""
    ours = bench.contenders[OURS]
    await bench.compare(
        "POST with Idempotency-Key",
        [
            Side("with key", ours, creates(ours, idempotent=True), grows=True),
            Side("without", ours, creates(ours), TARGET, grows=True),
        ],
    )
