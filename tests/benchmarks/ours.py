"""Our service in a run: `customers serve`, one process, as a user would start it, on a migrated database.

Comes in: the shared PostgreSQL. Goes out: a Contender with a key for each merchant; and, when asked for, a
second process that fills the read model.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from events.database import Database
from events.key_checks import check_master_keys
from events.master_keys import MasterKeys
from service.api_keys import create_key
from service.merchants import create_merchant
from service.schema import migrate
from tests.benchmarks.contenders import OURS, Contender
from tests.benchmarks.database import Databases
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.processes import Started, free_port, running

APPLICATION_ROLE = "customers_app"
EVENTS = "events.customer_events"
SCOPES = frozenset(("read", "write"))


@contextlib.asynccontextmanager
async def ours(databases: Databases, directory: Path, merchants: int) -> AsyncIterator[Contender]:
    """Run our API for the length of the block; it does not fill the read model."""
    admin_url = await databases.create(OURS)
    await migrate(admin_url)
    await databases.allow_login(APPLICATION_ROLE)
    keys = await _make_keys(admin_url, _master_keys(directory), merchants)
    async with _serving(databases, directory, OURS) as (url, process):
        yield Contender(OURS, url, keys, process, EVENTS, directory / f"{OURS}.log")


@contextlib.asynccontextmanager
async def projecting(databases: Databases, directory: Path) -> AsyncIterator[None]:
    """Run a second process that keeps the read model up to date, for the length of the block."""
    async with _serving(databases, directory, "projector", "--project"):
        yield


@contextlib.asynccontextmanager
async def _serving(
    databases: Databases, directory: Path, name: str, *options: str
) -> AsyncIterator[tuple[str, Started]]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CUSTOMERS_")} | {
        "CUSTOMERS_DATABASE_URL": databases.url(OURS, APPLICATION_ROLE),
        "CUSTOMERS_MASTER_KEY_FILE": str(directory / "master.key"),
        "CUSTOMERS_DATA_DIR": str(directory / "data"),
    }
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # The console script's own line: the same program, also where the script is not installed.
    command = [sys.executable, "-c", "from service.cli import main; main()", "serve", "--port", str(port)]
    log = directory / f"{name}.log"
    async with running(
        [*command, *options], ready_url=f"{url}/readyz", log=log, environment=environment
    ) as process:
        yield url, process


def _master_keys(directory: Path) -> MasterKeys:
    text = MasterKeys.generate_text()
    file = directory / "master.key"
    file.touch(mode=0o600)
    file.write_text(text)
    return MasterKeys.from_text(text)


async def _make_keys(admin_url: str, master_keys: MasterKeys, merchants: int) -> list[str]:
    async with Database.connect(admin_url) as database:
        await check_master_keys(database, master_keys)
        return [await _make_key(database, master_keys) for _ in range(merchants)]


async def _make_key(database: Database, master_keys: MasterKeys) -> str:
    merchant = await create_merchant(database, merchant_id=None, live=False, currency="USDC")
    made = merchant and await create_key(
        database, master_keys, merchant_id=merchant.id, name="benchmark", scopes=SCOPES, allowed_cidrs=[]
    )
    if made is None:
        raise BenchmarkFailed("a new merchant or its key was refused")
    return made[1]
