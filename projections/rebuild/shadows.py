"""Shadows: tables of a read model made anew beside the live ones, whose places they take in one transaction.

In: the tables' names. Out: `Shadows`, for a block: empty tables in the schema `projections_rebuilt`, which
the block fills. One rebuild runs at a time. What one leaves behind when it is killed, the next one
drops, or `drop_abandoned_shadows`, which the API calls now and then.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from events.database import Connection, Database
from events.errors import StoreError
from events.statements import Statement
from projections.queries import (
    BEGIN_REBUILD,
    DROP_ABANDONED_SHADOWS,
    DROP_SHADOWS,
    INDEX_SHADOW,
    KEEP_VACUUM_AWAY,
    LOCK_LIVE,
    MAKE_SHADOW,
    SWAP_SHADOWS,
    TRY_REBUILD_LOCK,
    WAIT_BRIEFLY,
)
from projections.rebuild.trying_again import patiently

LOCK = 0x72656275696C64  # any number that nobody else locks
SESSION = {"lock_timeout": "1s", "maintenance_work_mem": "256MB"}
STATEMENT_SECONDS = 6 * 3600.0
"""An index of many rows takes its time."""

log = structlog.get_logger(__name__)


class RebuildRefused(StoreError):
    """There is another rebuild, or there was one that took this one's place."""


class Shadows:
    """The tables of this run."""

    def __init__(self, session: Connection, run: str, tables: Sequence[str]) -> None:
        self.session = session
        self._run = run
        self._tables = tables

    async def index(self) -> None:
        """Give them the live tables' indexes, and statistics. Best when they are full."""
        for table in self._tables:
            await self.session.fetch(INDEX_SHADOW, table)

    async def keep_vacuum_away(self, transaction: Database.Transaction) -> None:
        """Have autovacuum away from live tables and shadows until the transaction ends; nobody else waits.

        To be done first: it takes a second where autovacuum is at work.
        """
        await transaction.fetch(KEEP_VACUUM_AWAY, list(self._tables))

    async def lock_live(self, transaction: Database.Transaction) -> None:
        """Keep everybody from the live tables until the transaction ends, which should be soon.

        Fails within 100 ms when somebody reads the tables for longer: to be tried again, by `patiently`.
        """
        await transaction.fetch(WAIT_BRIEFLY)
        await transaction.fetch(LOCK_LIVE, list(self._tables))

    async def swap(self, transaction: Database.Transaction) -> None:
        """Take the places of the live tables, which are locked, when the transaction commits.

        Raises RebuildRefused.
        """
        (row,) = await transaction.fetch(SWAP_SHADOWS, self._run, list(self._tables))
        if not row["swapped"]:
            raise RebuildRefused("another rebuild has begun meanwhile: this one is given up")


@asynccontextmanager
async def shadows_of(url: str, tables: Sequence[str]) -> AsyncIterator[Shadows]:
    """Empty shadows of these tables, gone after the block unless they were swapped. Raises RebuildRefused."""
    session = Connection(url, SESSION, reopens=False, command_seconds=STATEMENT_SECONDS)
    try:
        if not (await session.fetch(TRY_REBUILD_LOCK, LOCK))[0]["free"]:
            raise RebuildRefused("another rebuild is under way: let it end first")
        run = secrets.token_hex(16)
        await patiently(lambda: session.fetch(BEGIN_REBUILD, run))
        for table in tables:
            await session.fetch(MAKE_SHADOW, table)
        try:
            yield Shadows(session, run, tables)
        finally:
            with suppress(StoreError):  # the next rebuild drops what we cannot
                await patiently(lambda: session.fetch(DROP_SHADOWS))
    finally:
        await session.close()


async def drop_abandoned_shadows(database: Database) -> None:
    """Drop what a killed rebuild left: nobody is erased in it. None under way is. Raises StoreError."""
    (row,) = await database.fetch(DROP_ABANDONED_SHADOWS, LOCK)
    if row["dropped"]:
        log.warning("abandoned_rebuild_dropped")


def shadowed(statement: Statement, *tables: str) -> Statement:
    """The same statement on the shadows of these tables."""
    name, text = statement
    for table in tables:
        text = text.replace(f"projections.{table} ", f"projections_rebuilt.{table} ")
        text = text.replace(f"projections.{table}\n", f"projections_rebuilt.{table}\n")
    return Statement(f"{name}_of_shadow", text)
