"""The README's copy of a merchant's customers ends equal to the service, whatever is killed meanwhile.

Creates, updates, deletes and erasures go through `customers up`, while the very program of the README runs as
a process of its own; in the long run NATS is killed twice, its stream deleted, and the program itself killed.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import nats.errors
import psutil
import pytest

from events.wire.message import STREAM
from service.embedded.data_directory import Announcement
from tests.support.directories import short_directory
from tests.support.nats_servers import raw_jetstream
from tests.support.serve import comes_about
from tests.support.up import Up, clean_environment, customers_up

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = re.compile(r"^## For subscribers\n.*?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MANY, FEW = 20_000, 400
WRITERS = 24
PATIENCE = aiohttp.ClientTimeout(total=60)
KINDS = {"create": 50, "update": 36, "delete": 12, "erase": 2}


@dataclass
class Changes:
    """Changes of one merchant's customers, made by as many clients as there are writers."""

    where: Announcement
    session: aiohttp.ClientSession
    total: int
    done: int = 0
    writing: int = WRITERS
    created: int = 0
    refused: list[int] = field(default_factory=list)

    async def write(self, writer: int) -> None:
        """One client: a change after the other, each of a customer that no other client changes."""
        chance, mine = random.Random(writer), list[str]()
        while self.done < self.total:
            self.done += 1
            kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
            if kind == "create" or len(mine) < 5:
                mine.append(await self._create())
                continue
            number = chance.randrange(len(mine))
            path = f"/v1/customers/{mine[number]}"
            if kind == "update":
                await self._ask(
                    "PATCH", path, {"name": f"Name {self.done}", "metadata": {"n": str(self.done)}}
                )
            elif kind == "delete":
                await self._ask("DELETE", path, None)
                mine.pop(number)
            else:
                await self._ask("POST", f"{path}/erase", None)
                mine.pop(number)
        self.writing -= 1

    async def _create(self) -> str:
        self.created += 1
        body = {"email": f"{self.created}@example.com", "name": f"Customer {self.created}"}
        return str((await self._ask("POST", "/v1/customers", body))["id"])

    async def _ask(self, method: str, path: str, body: Any) -> dict[str, Any]:
        async with self.session.request(method, self.where.url + path, json=body) as answer:
            if answer.status not in {200, 201}:
                self.refused.append(answer.status)
            answered: dict[str, Any] = await answer.json()
            return answered

    async def have_come_to(self, part: float) -> None:
        """Return once this part of the changes is made."""

        async def is_made() -> bool:
            return self.done >= part * self.total

        await comes_about(is_made, 90, "more changes")

    async def are_made(self) -> None:
        """Return once all are made and answered."""

        async def are_answered() -> bool:
            return self.writing == 0

        await comes_about(are_answered, 90, "the last answers")

    async def head(self) -> int:
        """The last position of the merchant's ledger."""
        async with self.session.get(f"{self.where.url}/v1/ledger") as answer:
            return int((await answer.json())["position"])

    async def customers(self) -> dict[str, Any]:
        """All customers, by the service's lists, once these have everything."""
        found: dict[str, Any] = {}
        query = {"limit": "100", "fresh": "true"}
        while True:
            async with self.session.get(f"{self.where.url}/v1/customers", params=query) as answer:
                page = await answer.json()
            if answer.status != 200:
                continue
            found |= {customer["id"]: customer for customer in page["data"]}
            if not page["hasMore"]:
                return found
            query = {"limit": "100", "startingAfter": page["data"][-1]["id"]}


def place(database: Path) -> int:
    """The position that the program came to."""
    with closing(sqlite3.connect(database, timeout=10)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'place'").fetchall():
            return 0
        found = connection.execute("SELECT position FROM place").fetchone()
    return found[0] if found else 0


def customers_in(database: Path) -> dict[str, Any]:
    """The program's customers."""
    with closing(sqlite3.connect(database, timeout=10)) as connection:
        rows = connection.execute("SELECT id, customer FROM customers").fetchall()
    return {id_: json.loads(customer) for id_, customer in rows}


@asynccontextmanager
async def program(directory: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The README's program, for a block; killed at its end, in the middle of whatever it does."""
    found = PROGRAM.search((ROOT / "README.md").read_text())
    assert found is not None
    (directory / "copy_customers.py").write_text(found[1])
    with (directory / "said").open("ab") as said:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "copy_customers.py",
            cwd=directory,
            env=clean_environment() | {"PYTHONPATH": str(ROOT / "deploy" / "subscriber")},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        yield process
        assert process.returncode is None, (directory / "said").read_text()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def kill_nats(data: Path) -> None:
    """kill -9; `customers up` starts it again."""
    psutil.Process(int((data / "nats" / "pid").read_text())).kill()


async def delete_stream(where: Announcement) -> None:
    """The relay makes it again, and fills it."""

    async def is_deleted() -> bool:
        try:
            async with raw_jetstream(where.nats_url or "") as stream:
                return await stream.delete_stream(STREAM)
        except (OSError, nats.errors.Error):
            return False

    await comes_about(is_deleted, what="the end of the stream")


@asynccontextmanager
async def changing(up: Up, total: int) -> AsyncIterator[Changes]:
    """So many changes, made during the block; none of them was refused."""
    where = await asyncio.to_thread(up.wait_until_ready)
    async with (
        aiohttp.ClientSession(headers={"X-API-Key": where.api_key}, timeout=PATIENCE) as session,
        asyncio.TaskGroup() as group,
    ):
        changes = Changes(where, session, total)
        for writer in range(WRITERS):
            group.create_task(changes.write(writer))
        yield changes
    assert changes.refused == []


async def test_the_readmes_copy_is_equal_to_the_service() -> None:
    with short_directory() as directory, customers_up(directory / ".customers") as up:
        async with changing(up, FEW) as changes, program(directory):
            await changes.are_made()
            await is_equal(changes, directory / "copy.db")


@pytest.mark.long
async def test_the_readmes_copy_ends_equal_to_the_service_whatever_is_killed_meanwhile() -> None:
    with short_directory() as directory, customers_up(directory / ".customers") as up:
        async with changing(up, MANY) as changes:
            async with program(directory):
                await changes.have_come_to(0.2)
                kill_nats(up.data_dir)
                await changes.have_come_to(0.4)
                await delete_stream(changes.where)
                await changes.have_come_to(0.6)
            assert place(directory / "copy.db") > 0
            await changes.have_come_to(0.7)
            async with program(directory):
                await changes.have_come_to(0.85)
                kill_nats(up.data_dir)
                await changes.are_made()
                await is_equal(changes, directory / "copy.db")


async def is_equal(changes: Changes, database: Path) -> None:
    """Assert that the copy comes to equal what the service lists."""
    head = await changes.head()

    async def has_all() -> bool:
        return place(database) == head

    try:
        await comes_about(has_all, 90, "a copy of everything")
    except AssertionError as error:
        error.add_note(f"it has come to position {place(database)} of {head}")
        error.add_note((database.parent / "said").read_text())
        raise
    assert customers_in(database) == await changes.customers()
