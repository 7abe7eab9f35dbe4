"""NATS with the configuration of deploy/nats, word for word, and everybody whom it knows.

In: a directory. Out: `Guarded`: a running server, and what each user connects with. Keys come from
deploy/make_secrets.py, subscribers are added by deploy/nats/add_subscriber.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import orjson
from nats.aio.client import Client

from deploy.make_secrets import make_secrets
from deploy.nats.add_subscriber import NATS, add_subscriber
from events.stream.broker import Broker
from events.stream.jetstream import _Client
from service.embedded.nats import comes_about
from service.embedded.nats_program import program

START_SECONDS = 30.0


class Guarded:
    """The server; its files are in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.secrets = directory / "secrets"
        self.configuration = directory / "nats"
        self.log = directory / "log"
        self._data = directory / "data"
        self._ports = directory / "ports"
        self._process: subprocess.Popen[bytes] | None = None
        make_secrets(self.secrets)
        shutil.copytree(NATS, self.configuration, ignore=shutil.ignore_patterns("*.py", "__pycache__"))

    @property
    def environment(self) -> dict[str, str]:
        """What compose.yaml gives the server's container."""
        lines = (self.secrets / "nats.env").read_text().splitlines()
        return {"NATS_DATA": str(self._data)} | dict(line.split("=", 1) for line in lines)

    @property
    def url(self) -> str:
        """Where it listens."""
        (written,) = self._ports.iterdir()
        url: str = orjson.loads(written.read_bytes())["nats"][0]
        return url

    def start(self) -> None:
        """Start it on any free ports of loopback, with its data in the directory, and wait for it."""
        self._ports.mkdir(exist_ok=True)
        command: list[str | Path] = [
            program(),
            "--config",
            self.configuration / "nats.conf",
            "--log",
            self.log,
        ]
        command += ["--addr", "127.0.0.1", "--port", "-1", "--http_port", "-1"]
        command += ["--ports_file_dir", self._ports]
        self._process = subprocess.Popen(command, env=os.environ | self.environment)
        is_up = comes_about(lambda: any(file.stat().st_size for file in self._ports.iterdir()), START_SECONDS)
        assert is_up, self.log.read_text()

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None

    def reload(self) -> None:
        """Have it read its configuration twice: a new account has its imports from the second time on."""
        for _ in range(2):
            self._reload()

    def _reload(self) -> None:
        assert self._process is not None
        before = self.log.read_text().count("Reloaded server configuration")
        self._process.send_signal(signal.SIGHUP)
        is_done = comes_about(
            lambda: self.log.read_text().count("Reloaded server configuration") > before, START_SECONDS
        )
        assert is_done, self.log.read_text()

    def add(self, name: str, merchant_id: str, *, key: str | None = None) -> list[str]:
        """Add a subscriber to the configuration; what was done."""
        return add_subscriber(self.configuration, self.secrets, name, merchant_id, key)

    def seed_file(self, user: str) -> Path:
        """Where a user's seed is."""
        return self.secrets / f"nats_{user}_seed"

    def broker(self, user: str) -> Broker:
        """What a user connects with."""
        return Broker(self.url, seed=self.seed_file(user).read_text())

    @asynccontextmanager
    async def client(self, user: str) -> AsyncIterator[Client]:
        """A connection of nats-py's, as the user, with its defaults."""
        async with connected(self.broker(user)) as client:
            yield client


@asynccontextmanager
async def connected(broker: Broker) -> AsyncIterator[Client]:
    """A connection of nats-py's; nkeys alone are signed for by us."""
    client = _Client(broker)
    await client.connect(**broker.options(), error_cb=client.heard)
    try:
        yield client
    finally:
        await client.close()


@contextmanager
def guarded_nats(directory: Path, subscribers: dict[str, str]) -> Iterator[Guarded]:
    """A server with these subscribers, each of a merchant, for a block."""
    server = Guarded(directory)
    for name, merchant_id in subscribers.items():
        server.add(name, merchant_id)
    try:
        server.start()
        yield server
    finally:
        server.stop()
