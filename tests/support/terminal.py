"""The `customers` command on a test's own database, beside the test's loop.

In: a database and the text of its master keys. Out: what commands say. Their exit status is checked.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from service.cli import main
from service.settings import PREFIX
from tests.support.databases import TestDatabase


class CommandLine:
    """Runs commands in a thread, since they have loops of their own."""

    def __init__(self, capture: pytest.CaptureFixture[str], environment: pytest.MonkeyPatch) -> None:
        self._capture = capture
        self._environment = environment
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            environment.delenv(name)

    def works_on(self, database: TestDatabase, data_dir: Path, master_keys: str) -> None:
        """Which database commands find."""
        self._environment.setenv("CUSTOMERS_DATABASE_URL", database.url)
        self._environment.setenv("CUSTOMERS_ADMIN_DATABASE_URL", database.admin_url)
        self._environment.setenv("CUSTOMERS_DATA_DIR", str(data_dir))
        self.has(master_keys)

    def has(self, master_keys: str) -> None:
        """Which master keys commands find."""
        self._environment.setenv("CUSTOMERS_MASTER_KEY", master_keys)

    async def run(self, *arguments: str, status: int = 0) -> str:
        """What the command says: on stderr where it fails, else on stdout."""
        out, err = await self.says(*arguments, status=status)
        return err if status else out

    async def says(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        """What the command says on stdout, and on stderr."""
        ended = await asyncio.to_thread(self._run, arguments)
        said = self._capture.readouterr()
        assert ended == status, said
        return said.out.strip(), said.err.strip()

    @staticmethod
    def _run(arguments: tuple[str, ...]) -> int:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        return int(ended.value.code or 0)
