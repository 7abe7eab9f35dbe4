"""Child processes of a run: started with a log file, awaited until they are ready, and ended with the run.

Comes in: a command line and how to see that it is ready (it `answers` at a URL, it `says` a word). Goes out:
pid and seconds until ready. Children get a session of their own, so that Ctrl-C reaches this program alone
and it ends them in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import psutil

from tests.benchmarks.errors import BenchmarkFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    IsReady = Callable[[], Awaitable[bool]]

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
STOP_SECONDS = 15
_living: set[int] = set()


@dataclass(frozen=True)
class Started:
    """A server that answers; `seconds_to_ready` counts from the start of its process."""

    pid: int
    seconds_to_ready: float


def free_port() -> int:
    """Give a TCP port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def running(
    command: list[str], *, ready: IsReady, log: Path, environment: Mapping[str, str]
) -> AsyncIterator[Started]:
    """Run a server for the length of the block. Raises BenchmarkFailed when it does not become ready."""
    began = time.perf_counter()
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    _living.add(process.pid)
    try:
        await _until_ready(process, ready, log)
        yield Started(process.pid, time.perf_counter() - began)
    finally:
        await _end(process)


async def output_of(command: list[str], *, limit_seconds: float) -> str:
    """Give the standard output of a program that ends. Raises BenchmarkFailed when it fails or hangs."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    _living.add(process.pid)
    try:
        async with asyncio.timeout(limit_seconds):
            output, complaint = await process.communicate()
    except TimeoutError:
        raise BenchmarkFailed(f"{command[0]} did not end within {limit_seconds:.0f} s") from None
    finally:
        await _end(process)
    if process.returncode:
        said = (complaint or output).decode(errors="replace").strip()
        raise BenchmarkFailed(f"{command[0]} failed: {said}")
    return output.decode()


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Give the processor time that these have used; one that has ended counts as nothing."""
    seconds = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


def end_all() -> None:
    """Kill what still runs: the last resort after a second Ctrl-C."""
    for pid in list(_living):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def tail(log: Path, lines: int = 15) -> str:
    """Give the end of a log file, for a message about why its process failed."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def answers(url: str) -> IsReady:
    """Ready when this URL answers 200."""

    async def is_ready() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return answer.status == 200
        return False

    return is_ready


def says(word: str, log: Path) -> IsReady:
    """Ready when this word stands in the log."""

    async def is_ready() -> bool:
        return word in await asyncio.to_thread(log.read_text, errors="replace")

    return is_ready


async def _until_ready(process: asyncio.subprocess.Process, ready: IsReady, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.returncode is not None:
            raise BenchmarkFailed(f"{log.stem} ended before it was ready:\n{tail(log)}")
        if await ready():
            return
        await asyncio.sleep(0.01)
    raise BenchmarkFailed(f"{log.stem} was not ready after {READY_SECONDS} s:\n{tail(log)}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    _living.discard(process.pid)
