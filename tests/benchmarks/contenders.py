"""The peers of a run, one process each, each on an empty database of the one server.

Comes in: which peer, and the shared PostgreSQL. Goes out: a Contender, ready to be asked.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.benchmarks.database import Databases
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.processes import Started, answers, free_port, running

OURS = "customers"
PACKAGES = {"psycopg": "psycopg[binary]", "psycopg_pool": "psycopg-pool"}


@dataclass(frozen=True)
class Peer:
    """A peer's module, the modules it needs that the service does not, and the table its creates fill."""

    title: str
    module: str
    needs: tuple[str, ...] = ()
    table: str | None = "customers"
    arguments: tuple[str, ...] = ()


PEERS = {
    "P1": Peer("aiohttp + asyncpg, plain CRUD", "crud"),
    "P1-lean": Peer("P1 whose pool does not reset connections", "crud", arguments=("lean",)),
    "P2": Peer(
        "FastAPI + SQLAlchemy, plain CRUD",
        "fastapi_orm",
        needs=("fastapi", "sqlalchemy", "uvicorn", "httptools", "greenlet"),
    ),
    "P3": Peer(
        "the eventsourcing library's PostgreSQL application behind aiohttp",
        "eventsourcing_app",
        needs=("psycopg", "psycopg_pool"),
        table="customers_events",
    ),
    "P4": Peer("aiohttp, a constant answer", "constant", table=None),
}


@dataclass(frozen=True)
class Contender:
    """A running server: one API key for each merchant, and the table that grows by a row for each create."""

    name: str
    url: str
    keys: list[str]
    process: Started
    table: str | None
    log: Path


def check_installed(names: list[str]) -> None:
    """Refuse peers whose packages are missing, with the command that installs them."""
    missing = [need for name in names for need in PEERS[name].needs if importlib.util.find_spec(need) is None]
    if missing:
        packages = " ".join(PACKAGES.get(module, module) for module in missing)
        raise BenchmarkFailed(f"these peers need more packages: {sys.executable} -m pip install {packages}")


@contextlib.asynccontextmanager
async def peer(name: str, databases: Databases, directory: Path, merchants: int) -> AsyncIterator[Contender]:
    """Run a peer for the length of the block."""
    keys = {f"sk_test_peer{n:02}{'0' * 64}": f"mer_{n:02}" for n in range(merchants)}
    keys_file = directory / f"{name}.keys"
    keys_file.write_bytes(orjson.dumps(keys))
    port, log = free_port(), directory / f"{name}.log"
    module = f"tests.benchmarks.peers.{PEERS[name].module}"
    command = [sys.executable, "-m", module, str(port), await databases.create(name), str(keys_file)]
    command += PEERS[name].arguments
    url = f"http://127.0.0.1:{port}"
    ready = answers(f"{url}/healthz")
    async with running(command, ready=ready, log=log, environment=os.environ) as process:
        yield Contender(name, url, list(keys), process, PEERS[name].table, log)
