"""The real `customers up` as a process of its own, for tests from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from service.embedded.data_directory import Announcement
from service.embedded.nats import EmbeddedNats
from service.embedded.postgres import EmbeddedPostgres
from tests.support.waiting import eventually

CUSTOMERS = (sys.executable, "-m", "service.cli")


class Up:
    """A started `customers up`; what it says goes to `output`."""

    def __init__(self, data_dir: Path, port: int, environment: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.output = data_dir.parent / f"{data_dir.name}.output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*CUSTOMERS, "up", "--data-dir", str(data_dir), "--port", str(port)],
                env=clean_environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> Announcement:
        """What dev.json holds, once it is there; fails with the output when the process ends before."""
        path = self.data_dir / "dev.json"
        eventually(lambda: path.exists() or self.process.poll() is not None, what="readiness")
        assert self.process.poll() is None, self.said()
        return Announcement.model_validate_json(path.read_bytes())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def fails(self) -> str:
        """Wait for an end that is not success; return the one line that was said."""
        assert self.process.wait(timeout=30) == 1, self.said()
        lines = self.said().splitlines()
        assert len(lines) == 1, lines
        return lines[0]

    def said(self) -> str:
        """Everything on stdout and stderr so far."""
        return self.output.read_text()


@contextmanager
def customers_up(
    data_dir: Path, environment: Mapping[str, str] | None = None, *, port: int = 0
) -> Iterator[Up]:
    """Start `customers up` with these variables and no other of ours; nothing of it is left afterwards."""
    up = Up(data_dir, port, dict(environment or {}))
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.process.kill()
            up.process.wait()
        EmbeddedNats(data_dir / "nats").stop()
        EmbeddedPostgres(data_dir / "postgres").stop("immediate")


def customers(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a `customers` command to its end."""
    return subprocess.run(
        [*CUSTOMERS, *arguments],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of the service."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CUSTOMERS_")}


async def call(up: Announcement, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """One request with the demo key: status and JSON."""
    async with (
        aiohttp.ClientSession(headers={"X-API-Key": up.api_key}) as session,
        session.request(method, up.url + path, json=body) as response,
    ):
        return response.status, await response.json()
