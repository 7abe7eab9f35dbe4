"""Waiting for a condition, not for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.benchmarks.errors import BenchmarkFailed

LIMIT_SECONDS = 120
POLL_SECONDS = 0.01


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> float:
    """Wait for the condition and give the seconds it took. Raises BenchmarkFailed when it never comes."""
    began = time.perf_counter()
    while not await condition():
        if time.perf_counter() - began > LIMIT_SECONDS:
            raise BenchmarkFailed(f"{what} did not come about within {LIMIT_SECONDS} s")
        await asyncio.sleep(POLL_SECONDS)
    return time.perf_counter() - began
