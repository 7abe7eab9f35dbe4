"""Running a command's coroutine: on uvloop where there is one, ended in good order by Ctrl-C and SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from events.memory import settle_memory

T = TypeVar("T")

TERMINATED = 128 + signal.SIGTERM
"""The exit status that a shell gives to what SIGTERM ended."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end and return the result; Ctrl-C and SIGTERM cancel it, and end with status 130 or 143."""
    terminated = threading.Event()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_until_terminated(work, terminated))
        except asyncio.CancelledError:
            if terminated.is_set():
                sys.exit(TERMINATED)
            raise


async def _until_terminated(work: Coroutine[Any, Any, T], terminated: threading.Event) -> T:
    task = asyncio.current_task()

    def terminate() -> None:
        terminated.set()
        if task is not None:
            task.cancel()

    if threading.current_thread() is threading.main_thread():  # signals reach no other
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    return await work


def run_until_signal(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    """Run what stops by itself once the event it is given is set, which SIGINT and SIGTERM do."""

    async def with_signals() -> T:
        settle_memory()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await work(stop)

    return run(with_signals())
