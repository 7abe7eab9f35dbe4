"""A subscriber in Node.js, written from /asyncapi.json alone, ends equal to the service, whatever is killed.

Creates, updates, deletes and erasures go through `customers up`, while `tests/support/node/subscriber.mjs`
runs as a process of its own: NATS is killed twice and loses everything once, and the subscriber is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.changing import Changes, changing, kill_nats, wipe_nats
from tests.support.directories import short_directory
from tests.support.serve import comes_about
from tests.support.up import clean_environment, customers_up

SUBSCRIBER = Path(__file__).resolve().parents[1] / "support" / "node"
PLACE = re.compile(rb'\{"epoch":\d+,"position":(\d+),')
MANY = 20_000
MISSING = "a subscriber in Node.js needs Node.js 20 and the npm registry"


def install(directory: Path) -> None:
    """The subscriber, with the packages of its lock file."""
    shutil.copytree(SUBSCRIBER, directory)
    if not shutil.which("node") or not shutil.which("npm"):
        is_missing("no node or npm on the PATH")
    npm = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0"]
    installing = subprocess.run(npm, cwd=directory, capture_output=True, text=True, timeout=60, check=False)
    if installing.returncode:
        is_missing(installing.stderr)


def is_missing(why: str) -> None:
    """Fail in CI, where it has to run (`.ci/run` says so by `CI`); elsewhere skip, and say why."""
    if os.environ.get("CI"):
        pytest.fail(f"{MISSING}: {why}")
    pytest.skip(MISSING)


@asynccontextmanager
async def subscriber(directory: Path, changes: Changes) -> AsyncIterator[None]:
    """The subscriber, for a block; killed at its end, in the middle of whatever it does."""
    told = {
        "API_URL": changes.where.url,
        "API_KEY": changes.where.api_key,
        "NATS_URL": changes.where.nats_url or "",
        "MERCHANT": changes.where.merchant_id,
        "CONSUMER": "copy",
        "COPY": "copy.json",
    }
    with (directory / "said").open("ab") as said:
        process = await asyncio.create_subprocess_exec(
            "node",
            "subscriber.mjs",
            cwd=directory,
            env=clean_environment() | told,
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


def place(directory: Path) -> int:
    """The position that the copy came to."""
    try:
        with (directory / "copy.json").open("rb") as copy:
            found = PLACE.match(copy.read(100))
    except FileNotFoundError:
        return 0
    assert found is not None
    return int(found[1])


def kept(directory: Path) -> dict[str, Any]:
    """All that the copy's file has."""
    found: dict[str, Any] = json.loads((directory / "copy.json").read_bytes())
    return found


async def has_gone_on(changes: Changes, directory: Path) -> None:
    """Return once the copy has what the service has now."""
    head = await changes.head()

    async def is_there() -> bool:
        return place(directory) >= head

    await comes_about(is_there, 60, f"a copy up to {head}")


async def is_equal(changes: Changes, directory: Path) -> None:
    """Assert that the copy comes to equal what the service lists."""
    head = await changes.head()

    async def has_all() -> bool:
        return place(directory) == head

    try:
        await comes_about(has_all, 60, "a copy of everything")
    except AssertionError as error:
        error.add_note(f"it has come to position {place(directory)} of {head}")
        error.add_note((directory / "said").read_text())
        raise
    copy = kept(directory)["customers"]
    assert {id_: one["data"] for id_, one in copy.items()} == await changes.customers()


async def survives(fault: Callable[[], None], changes: Changes, directory: Path, part: float) -> None:
    """Let it happen amid the changes up to this part: the copy gets those made since, and by NATS again."""
    changes.held = part
    await changes.have_come_to(part - 0.1)
    await asyncio.to_thread(fault)
    await changes.have_come_to(part)
    await has_gone_on(changes, directory)
    by_stream = kept(directory)["told"]["byStream"]

    async def is_told() -> bool:
        if kept(directory)["told"]["byStream"] > by_stream:
            return True
        await changes.one_more()
        await has_gone_on(changes, directory)
        return False

    await comes_about(is_told, 60, "an event by the stream instead of the feed")


@pytest.mark.long
async def test_a_subscriber_in_node_ends_equal_to_the_service_whatever_befalls_nats() -> None:
    with short_directory() as directory, customers_up(directory / ".customers") as up:
        program = directory / "subscriber"
        await asyncio.to_thread(install, program)
        kill, wipe = partial(kill_nats, up.data_dir), partial(wipe_nats, up)
        async with changing(up, MANY) as changes:
            async with subscriber(program, changes):
                await survives(kill, changes, program, 0.3)
                await survives(wipe, changes, program, 0.6)
                changes.held = 0.8
                await changes.have_come_to(0.7)
            async with subscriber(program, changes):
                await survives(kill, changes, program, 0.9)
                changes.held = 1.0
                await changes.are_made()
                await is_equal(changes, program)
