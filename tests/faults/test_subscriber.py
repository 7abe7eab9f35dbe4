"""The README's copy of a merchant's customers ends equal to the service, whatever is killed meanwhile.

Creates, updates, deletes and erasures go through `customers up`, while the very program of the README runs as
a process of its own; in the long run NATS is killed twice, its stream deleted, and the program itself killed.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import nats.errors
import pytest

from events.wire.message import STREAM
from service.embedded.data_directory import Announcement
from tests.support.changing import Changes, changing, kill_nats
from tests.support.directories import short_directory
from tests.support.nats_servers import raw_jetstream
from tests.support.serve import comes_about
from tests.support.up import clean_environment, customers_up

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = re.compile(r"^## For subscribers\n.*?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MANY, FEW = 20_000, 400


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


async def delete_stream(where: Announcement) -> None:
    """The relay makes it again, and fills it."""

    async def is_deleted() -> bool:
        try:
            async with raw_jetstream(where.nats_url or "") as stream:
                return await stream.delete_stream(STREAM)
        except (OSError, nats.errors.Error):
            return False

    await comes_about(is_deleted, what="the end of the stream")


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
        await comes_about(has_all, 240, "a copy of everything")
    except AssertionError as error:
        error.add_note(f"it has come to position {place(database)} of {head}")
        error.add_note((database.parent / "said").read_text())
        raise
    assert customers_in(database) == await changes.customers()
