"""A copy kept by the official Node.js client ends equal to the service, whatever is killed meanwhile.

The program of `support/node/` was written from the AsyncAPI document alone: what holds for our own file in
Python holds for a stranger's client, too.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service.embedded.data_directory import Announcement
from tests.support.changing import Changes, changing, kill_nats, lose_nats
from tests.support.directories import short_directory
from tests.support.serve import comes_about
from tests.support.up import clean_environment, customers_up

pytestmark = pytest.mark.long

PROGRAM = Path(__file__).resolve().parents[1] / "support" / "node"
MANY = 20_000
PLACE = re.compile(rb'\{"epoch":\d+,"position":(\d+),')


def needs_node() -> None:
    """Skip where there is no Node.js; fail in continuous integration, which has to have it."""
    if shutil.which("node") and shutil.which("npm"):
        return
    if os.environ.get("CI"):
        pytest.fail("continuous integration needs Node.js 20 and the npm registry")
    pytest.skip("a subscriber in Node.js needs Node.js 20 and the npm registry")


async def install(directory: Path) -> None:
    """The program with the client that its lock file names."""
    shutil.copytree(PROGRAM, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    npm = await asyncio.create_subprocess_exec(
        *("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"),
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await npm.communicate()
    assert npm.returncode == 0, said.decode()


@asynccontextmanager
async def program(directory: Path, where: Announcement) -> AsyncIterator[None]:
    """The program, for a block; killed at its end, in the middle of whatever it does."""
    settings = {
        "CUSTOMERS_URL": where.url,
        "CUSTOMERS_KEY": where.api_key,
        "NATS_URL": where.nats_url or "",
        "MERCHANT_ID": where.merchant_id,
        "CONSUMER": "node-copy",
        "COPY": str(directory / "copy.json"),
    }
    with (directory / "said").open("ab") as said:
        process = await asyncio.create_subprocess_exec(
            "node",
            "subscriber.mjs",
            cwd=directory,
            env=clean_environment() | settings,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        yield
        assert process.returncode is None, (directory / "said").read_text()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def copied(directory: Path) -> dict[str, Any]:
    """What the program keeps; it replaces the file at once."""
    path = directory / "copy.json"
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.exists() else {"position": 0}
    return found


def place(directory: Path) -> int:
    """The position that the copy came to."""
    path = directory / "copy.json"
    found = PLACE.match(path.read_bytes()) if path.exists() else None
    return int(found[1]) if found else 0


async def survives(fault: Callable[[], None], changes: Changes, directory: Path, part: float) -> None:
    """Let it happen amid the changes up to this part; the copy gets those that were made since.

    They wait there: else the last change may be made before NATS is back, and nothing is left to be missed.
    """
    changes.held = part
    await changes.have_come_to(part - 0.1)
    await asyncio.to_thread(fault)
    await changes.have_come_to(part)
    head = await changes.head()

    async def has_gone_on() -> bool:
        return place(directory) >= head

    try:
        await comes_about(has_gone_on, 60, f"a copy up to position {head}")
    except AssertionError as error:
        error.add_note((directory / "said").read_text())
        raise


async def test_a_copy_in_node_ends_equal_to_the_service_whatever_is_killed_meanwhile() -> None:
    needs_node()
    with short_directory() as directory, customers_up(directory / ".customers") as up:
        await install(directory)
        async with changing(up, MANY) as changes:
            async with program(directory, changes.where):
                await survives(partial(kill_nats, up.data_dir), changes, directory, 0.3)
                await survives(partial(lose_nats, up), changes, directory, 0.6)
                changes.held = 0.8
                await changes.have_come_to(0.7)
            async with program(directory, changes.where):
                await survives(partial(kill_nats, up.data_dir), changes, directory, 0.9)
                changes.held = 1.0
                await changes.are_made()
                head = await changes.head()

                async def has_all() -> bool:
                    return bool(copied(directory)["position"] == head)

                try:
                    await comes_about(has_all, 240, "a copy of everything")
                except AssertionError as error:
                    error.add_note(f"it has come to position {copied(directory)['position']} of {head}")
                    error.add_note((directory / "said").read_text())
                    raise
                copy = copied(directory)
                assert copy["customers"] == await changes.customers()
        seen = copy["seen"]
        assert seen["taken"] > seen["fed"] > 0, seen
        assert seen["again"] > 0, seen
        assert seen["gaps"] > 0, seen
