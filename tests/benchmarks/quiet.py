"""Waiting until the machine is idle, so that what one contender left to do is not charged to the next."""

from __future__ import annotations

import asyncio
import time

import psutil

IDLE_PERCENT = 15.0
SAMPLE_SECONDS = 0.3


async def until_quiet(limit_seconds: float) -> bool:
    """Wait until the processors are idle; False when they were still busy after `limit_seconds`."""
    deadline = time.monotonic() + limit_seconds
    while await asyncio.to_thread(psutil.cpu_percent, SAMPLE_SECONDS) > IDLE_PERCENT:
        if time.monotonic() > deadline:
            return False
    return True
