"""The one PostgreSQL server all contenders share, a database each.

Comes in: a running EmbeddedPostgres. Goes out: database URLs, row counts, processes, and the check that
commits are durable.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import psutil

from tests.benchmarks.errors import BenchmarkFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from service.embedded.postgres import EmbeddedPostgres

SUPERUSER = "postgres"
COMMITS_TIMED = 200


class Databases:
    """Databases on one server, addressed by name."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        """Take a server that has been started; whoever started it stops it."""
        self._server = server

    def url(self, database: str, user: str = SUPERUSER) -> str:
        """Give the connection URL of a database."""
        return self._server.url(database, user)

    async def create(self, name: str) -> str:
        """Create an empty database and give its URL. The name must be a plain identifier."""
        async with self.connected("postgres") as connection:
            await connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    async def allow_login(self, role: str) -> None:
        """Let a role that the migrations made log in."""
        async with self.connected("postgres") as connection:
            await connection.execute(f'ALTER ROLE "{role}" LOGIN')

    async def checkpoint(self) -> None:
        """Write a checkpoint, so that none falls into somebody's measured seconds."""
        async with self.connected("postgres") as connection:
            await connection.execute("CHECKPOINT")

    async def rows(self, database: str, table: str) -> int | None:
        """Count the rows of a table; None when there is no such table."""
        async with self.connected(database) as connection:
            if await connection.fetchval("SELECT to_regclass($1)", table) is None:
                return None
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))

    def processes(self) -> list[psutil.Process]:
        """Give the server's processes, as they are now."""
        server = psutil.Process(int((self._server.data / "postmaster.pid").read_text().split()[0]))
        return [server, *server.children()]

    async def check_durable(self) -> float:
        """Refuse a server that does not flush commits; give the median milliseconds of one small commit."""
        async with self.connected("postgres") as connection:
            for setting in ("fsync", "synchronous_commit"):
                if await connection.fetchval("SELECT current_setting($1)", setting) != "on":
                    raise BenchmarkFailed(f"PostgreSQL runs with {setting} off: nothing would be durable")
            await connection.execute("CREATE TABLE commits (n integer)")
            insert = await connection.prepare("INSERT INTO commits VALUES ($1)")
            milliseconds = []
            for n in range(COMMITS_TIMED):
                began = time.perf_counter()
                await insert.fetchval(n)
                milliseconds.append((time.perf_counter() - began) * 1000)
            await connection.execute("DROP TABLE commits")
        return sorted(milliseconds)[COMMITS_TIMED // 2]

    @contextlib.asynccontextmanager
    async def connected(self, database: str) -> AsyncIterator[Any]:
        """Give a connection of asyncpg's to a database, for a block."""
        connection = await asyncpg.connect(self.url(database))
        try:
            yield connection
        finally:
            await connection.close()
