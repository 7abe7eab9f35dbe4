"""Locks by key, which exist only while somebody holds or wants them. Lines are bounded, and so is waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from events.errors import StoreBusy


class KeyedLocks:
    """One lock for each key in use; at most `line` users of one, each waiting at most `seconds`."""

    def __init__(self, line: int, seconds: float) -> None:
        self._line = line
        self._seconds = seconds
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def holding(self, key: Hashable) -> AsyncIterator[None]:
        """Hold this key's lock for a block. Raises StoreBusy: the line is full, or did not move in time."""
        lock, users = self._locks.get(key) or (asyncio.Lock(), 0)
        if users >= self._line:
            raise StoreBusy("too many changes of one customer are waiting")
        self._locks[key] = (lock, users + 1)
        try:
            await self._acquire(lock)
            try:
                yield
            finally:
                lock.release()
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = (lock, users - 1)

    async def _acquire(self, lock: asyncio.Lock) -> None:
        if not lock.locked():
            await lock.acquire()
            return
        try:
            async with asyncio.timeout(self._seconds):
                await lock.acquire()
        except TimeoutError:
            raise StoreBusy("earlier changes of this customer take too long") from None
