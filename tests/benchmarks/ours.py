"""Our service in a run, on migrated databases, each part a process of its own as a user would start it.

Comes in: the shared PostgreSQL. Goes out: a Contender, which is `customers serve` with a key for each
merchant; and, when asked for, `customers relay` and `customers project` beside it.
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
from service.http.rate_limit import HIGHEST_RATE
from service.merchants import create_merchant
from service.schema import migrate
from tests.benchmarks.contenders import OURS, Contender
from tests.benchmarks.database import Databases
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.processes import Started, answers, free_port, running, says

APPLICATION_ROLE = "customers_app"
EVENTS = "events.customer_events"
SCOPES = frozenset(("read", "write", "audit"))
# The console script's own line: the same program, also where the script is not installed.
CUSTOMERS = [sys.executable, "-c", "from service.cli import main; main()"]
READY_WORDS = {"relay": "relaying", "project": "projecting"}


@contextlib.asynccontextmanager
async def ours(
    databases: Databases, directory: Path, merchants: int, *, name: str = OURS
) -> AsyncIterator[Contender]:
    """Run our API, on a new database of this name, for the length of the block. It fills no read model."""
    keys = await prepare(databases, directory, merchants, name)
    port, log = free_port(), directory / f"{name}.log"
    url = f"http://127.0.0.1:{port}"
    async with running(
        [*CUSTOMERS, "serve", "--port", str(port)],
        ready=answers(f"{url}/readyz"),
        log=log,
        environment=environment(databases, directory, name),
    ) as process:
        yield Contender(name, url, list(keys.values()), process, EVENTS, log)


@contextlib.asynccontextmanager
async def working(
    command: str,
    databases: Databases,
    directory: Path,
    *,
    name: str = OURS,
    nats_url: str | None = None,
    replicas: int = 1,
) -> AsyncIterator[Started]:
    """Run `customers relay` or `customers project` on the database of this name, for the length of the block.

    Without NATS, `project` keeps the customers alone, from the store.
    """
    nats = {"CUSTOMERS_NATS_URL": nats_url} if nats_url else {}
    nats["CUSTOMERS_STREAM_REPLICAS"] = str(replicas)
    log = directory / f"{name}-{command}.log"
    log.unlink(missing_ok=True)  # an earlier one's, which has its own word in it
    async with running(
        [*CUSTOMERS, command],
        ready=says(READY_WORDS[command], log),
        log=log,
        environment=environment(databases, directory, name) | nats,
    ) as process:
        yield process


async def prepare(databases: Databases, directory: Path, merchants: int, name: str) -> dict[str, str]:
    """Make a migrated database with so many merchants; give a key for each merchant's id."""
    admin_url = await databases.create(name)
    await migrate(admin_url)
    await databases.allow_login(APPLICATION_ROLE)
    return await _make_keys(admin_url, master_keys(directory), merchants)


def master_keys(directory: Path) -> MasterKeys:
    """Give the run's master key, made the first time."""
    file = directory / "master.key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(MasterKeys.generate_text())
    return MasterKeys.from_text(file.read_text())


def environment(databases: Databases, directory: Path, name: str) -> dict[str, str]:
    """Give the variables of a process on the database of this name."""
    return {key: value for key, value in os.environ.items() if not key.startswith("CUSTOMERS_")} | {
        "CUSTOMERS_DATABASE_URL": databases.url(name, APPLICATION_ROLE),
        "CUSTOMERS_MASTER_KEY_FILE": str(directory / "master.key"),
        "CUSTOMERS_DATA_DIR": str(directory / "data"),
    }


async def _make_keys(admin_url: str, keys: MasterKeys, merchants: int) -> dict[str, str]:
    async with Database.connect(admin_url) as database:
        await check_master_keys(database, keys)
        return dict([await _make_key(database, keys) for _ in range(merchants)])


async def _make_key(database: Database, keys: MasterKeys) -> tuple[str, str]:
    merchant = await create_merchant(database, merchant_id=None, live=False, currency="USDC")
    made = merchant and await create_key(
        database,
        keys,
        merchant_id=merchant.id,
        name="benchmark",
        scopes=SCOPES,
        allowed_cidrs=[],
        rate_limit=HIGHEST_RATE,  # never reached, but counted and told as any other
    )
    if merchant is None or made is None:
        raise BenchmarkFailed("a new merchant or its key was refused")
    return merchant.id, made[1]
