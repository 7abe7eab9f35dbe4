"""Commands that are stopped before their end: what they say, what they leave behind, with which status."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from events.master_keys import MasterKeys
from tests.support.cases import JOHN
from tests.support.databases import TestDatabase
from tests.support.serve import Started, comes_about, started
from tests.support.store import C1, M1, connected, opened_store
from tests.support.up import CUSTOMERS, clean_environment

TEXT = MasterKeys.generate_text()
INTERRUPTED_WHILE_LOADING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "service.cli.commands":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from service.cli import main
main(["--version"])
"""


def environment(database: TestDatabase) -> dict[str, str]:
    return {"CUSTOMERS_DATABASE_URL": database.url, "CUSTOMERS_MASTER_KEY": TEXT.strip()}


@asynccontextmanager
async def customers_locked(database: TestDatabase) -> AsyncIterator[None]:
    """Nothing can be read of customers, so that an export stays where it is."""
    async with connected(database.admin_url) as raw, raw.transaction():
        await raw.execute("LOCK TABLE events.customer_keys IN ACCESS EXCLUSIVE MODE")
        yield


@asynccontextmanager
async def exporting(database: TestDatabase, file: Path) -> AsyncIterator[Started]:
    """An export to a file that is begun and not ended."""
    async with (
        customers_locked(database),
        started(environment(database), "export", "--merchant", M1, "--to", str(file)) as process,
    ):

        async def has_begun() -> bool:
            assert process.process.returncode is None, process.said()
            return any(file.parent.iterdir())

        await comes_about(has_begun, what="the unfinished file")
        yield process


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_an_export_that_is_stopped_leaves_no_file(
    ledgers: TestDatabase, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    async with exporting(ledgers, tmp_path / "customers.jsonl") as process:
        process.process.send_signal(number)
        assert await process.ended() == status
        assert process.said() == ""
    assert names_in(tmp_path) == []


async def test_what_a_killed_export_left_is_removed_by_the_next_one(
    ledgers: TestDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "customers.jsonl"
    async with opened_store(ledgers, keys=MasterKeys.from_text(TEXT)) as store:
        await store.create(C1, JOHN)
    async with exporting(ledgers, file) as process:
        left = f".{file.name}.{process.process.pid}"
        await process.kill()
    assert names_in(tmp_path) == [left]
    others = [f".{file.name}.bak", ".other.jsonl.1"]
    for name in others:
        (tmp_path / name).touch()
    async with started(environment(ledgers), "export", "--merchant", M1, "--to", str(file)) as process:
        assert await process.ended() == 0
    assert names_in(tmp_path) == sorted([file.name, *others])


async def test_a_terminal_has_its_cursor_back_after_sigterm(ledgers: TestDatabase, tmp_path: Path) -> None:
    mine, theirs = pty.openpty()
    async with customers_locked(ledgers):
        process = await asyncio.create_subprocess_exec(
            *CUSTOMERS, "export", "--merchant", M1, "--to", str(tmp_path / "file"),
            env=clean_environment() | environment(ledgers) | {"TERM": "xterm"},
            stdin=asyncio.subprocess.DEVNULL,
            stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        while b"replaying" not in shown:
            shown += os.read(mine, 10_000)
        process.terminate()
        while b"\x1b[?25h" not in shown:
            shown += os.read(mine, 10_000)
        async with asyncio.timeout(30):
            assert await process.wait() == 143
    os.close(mine)


def test_ctrl_c_while_the_program_is_being_loaded_is_quiet() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
