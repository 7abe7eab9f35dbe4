"""Trying again, for work that takes long and should not be lost to trouble that passes.

In: an attempt that may be repeated. Out: its result, or its last error, when the trouble did not pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, TypeVar

from events.database import Database, Row
from events.errors import SchemaMissing, StoreBusy, StoreUnavailable
from events.statements import Statement

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.05
PAUSES_SECONDS = (0.2, 1.0, 3.0, 10.0)
"""After each failure of the database; the one after them is the last."""


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of an attempt that may fail for locks of others, again and again for a minute."""
    deadline = monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await attempt()
        except StoreBusy:
            if monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


async def persistently(attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of an attempt that may be made twice: the database may have done it and not answered."""
    for pause in PAUSES_SECONDS:
        try:
            return await attempt()
        except SchemaMissing:
            raise
        except (StoreUnavailable, StoreBusy):
            await asyncio.sleep(pause)
    return await attempt()


class PersistentReader:
    """Reads from a database, persistently."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fetch(self, statement: Statement, *arguments: Any) -> list[Row]:
        """The rows of a statement that changes nothing."""
        return await persistently(lambda: self._database.fetch(statement, *arguments))
