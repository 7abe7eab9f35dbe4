"""`customers serve`, `relay` and `project` as processes, for tests that stop, kill and restart them.

In: the environment of a database and a master key. Out: `Serve`, which listens on a free port, or `Started`.
Everything is awaited, so that a test's own loop may stand between the process and its database.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.directories import short_directory
from tests.support.up import CUSTOMERS, clean_environment

POLL_SECONDS = 0.02
LISTENING = re.compile(r"^listening on (\S+)$", re.MULTILINE)
WORKING = re.compile(r"^(relaying|projecting)", re.MULTILINE)


async def comes_about(
    condition: Callable[[], Awaitable[bool]], seconds: float = 20.0, what: str = "the condition"
) -> None:
    """Return as soon as the condition holds, letting the loop work meanwhile; fail after `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await condition():
        assert loop.time() < deadline, f"{what} did not come about within {seconds} s"
        await asyncio.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class Started:
    """A running `customers` command."""

    process: asyncio.subprocess.Process
    output: Path

    @property
    def inside(self) -> psutil.Process:
        """The process, to look into."""
        return psutil.Process(self.process.pid)

    def said(self) -> str:
        """Everything on stdout and stderr so far."""
        return _said(self.output)

    def terminate(self) -> None:
        """Send SIGTERM, as every supervisor does."""
        self.process.send_signal(signal.SIGTERM)

    async def ended(self, seconds: float = 30.0) -> int:
        """The exit status, once there is one; fails when there is none in time."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        await self.process.wait()


@dataclass(frozen=True)
class Serve(Started):
    """A running `customers serve`."""

    url: str

    def clients(self) -> int:
        """How many clients the process is connected with."""
        connections = self.inside.net_connections("tcp")
        return sum(connection.status != psutil.CONN_LISTEN for connection in connections)

    def is_connected_with(self, port: int) -> bool:
        """Whether the process holds the connection of the client that has this port."""
        connections = self.inside.net_connections("tcp")
        return any(getattr(connection.raddr, "port", None) == port for connection in connections)


@asynccontextmanager
async def customers_serve(environment: Mapping[str, str], *options: str) -> AsyncIterator[Serve]:
    """Start `customers serve` with these variables and no other of ours; it is gone after the block."""
    async with started(environment, "serve", "--port", "0", *options) as running:
        yield Serve(running.process, running.output, await _url(running.process, running.output))


@asynccontextmanager
async def customers_works(environment: Mapping[str, str], command: str) -> AsyncIterator[Started]:
    """Start `customers relay` or `customers project` likewise."""
    async with started(environment, command) as running:

        async def has_spoken() -> bool:
            assert running.process.returncode is None, running.said()
            return WORKING.search(running.said()) is not None

        await comes_about(has_spoken, what="readiness")
        yield running


@asynccontextmanager
async def started(environment: Mapping[str, str], command: str, *options: str) -> AsyncIterator[Started]:
    """Start a `customers` command with these variables and no other of ours; it is gone after the block."""
    with short_directory() as directory:
        output = directory / "output"
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *CUSTOMERS, command, "--data-dir", str(directory / "data"), *options,
                env=clean_environment() | dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )  # fmt: skip
        try:
            yield Started(process, output)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _url(process: asyncio.subprocess.Process, output: Path) -> str:
    async def has_spoken() -> bool:
        assert process.returncode is None, _said(output)
        return LISTENING.search(_said(output)) is not None

    await comes_about(has_spoken, what="readiness")
    found = LISTENING.search(_said(output))
    assert found is not None
    return found[1]


def _said(output: Path) -> str:
    return output.read_text()
