"""A merchant's customers changed by many clients at once, through `customers up`.

In: a started `customers up`, and how many changes. Out: `Changes`, which knows how far they are and, at the
end, what a copy has to equal; NATS killed, or lost with all that it kept.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from service.embedded.data_directory import Announcement
from tests.support.serve import comes_about
from tests.support.up import Up
from tests.support.waiting import eventually

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
    held: float = 1.0
    """The part of the changes at which the clients wait until it is raised."""
    refused: list[int] = field(default_factory=list)

    async def write(self, writer: int) -> None:
        """One client: a change after the other, each of a customer that no other client changes."""
        chance, mine = random.Random(writer), list[str]()
        while self.done < self.total:
            await comes_about(self._may_go_on, 180, "leave to go on")
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

    async def _may_go_on(self) -> bool:
        return self.done < self.held * self.total or self.done >= self.total

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

        await comes_about(is_made, 240, "more changes")

    async def are_made(self) -> None:
        """Return once all are made and answered."""

        async def are_answered() -> bool:
            return self.writing == 0

        await comes_about(are_answered, 240, "the last answers")

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


def kill_nats(data: Path) -> None:
    """kill -9; `customers up` starts it again."""
    psutil.Process(int((data / "nats" / "pid").read_text())).kill()


def lose_nats(up: Up) -> None:
    """kill -9, and its directory is gone before `customers up` starts it again."""
    server = psutil.Process(int((up.data_dir / "nats" / "pid").read_text()))
    up.process.send_signal(signal.SIGSTOP)
    try:
        server.kill()
        eventually(lambda: has_ended(server), what="the end of NATS")
        shutil.rmtree(up.data_dir / "nats" / "data")
    finally:
        up.process.send_signal(signal.SIGCONT)


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more, though its parent may not have heard of it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


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
