"""`customers serve` as processes of their own, for tests that stop, kill and restart them from outside.

In: the environment of a database and a master key. Out: `Serve`, which listens on a free port. Everything is
awaited, so that a test's own loop may stand between the process and its database.
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
class Serve:
    """A running `customers serve`."""

    process: asyncio.subprocess.Process
    output: Path
    url: str

    @property
    def inside(self) -> psutil.Process:
        """The process, to look into."""
        return psutil.Process(self.process.pid)

    def said(self) -> str:
        """Everything on stdout and stderr so far."""
        return _said(self.output)

    def clients(self) -> int:
        """How many clients the process is connected with."""
        connections = self.inside.net_connections("tcp")
        return sum(connection.status != psutil.CONN_LISTEN for connection in connections)

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


@asynccontextmanager
async def customers_serve(environment: Mapping[str, str], *options: str) -> AsyncIterator[Serve]:
    """Start `customers serve` with these variables and no other of ours; it is gone after the block."""
    with short_directory() as directory:
        output = directory / "output"
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *CUSTOMERS, "serve", "--data-dir", str(directory / "data"), "--port", "0", *options,
                env=clean_environment() | dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )  # fmt: skip
        try:
            yield Serve(process, output, await _url(process, output))
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
