"""Sharing: what many want at the same moment is made once.

In: a key that says all that the result depends on. Out: the result, to everybody who asks for it while it is
being made or a moment later. Only so many are made at a time, by the turns given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

KEPT_SECONDS = 0.05
"""For those whose turn comes a little later. A result may hold what is to be forgotten: not for long."""

V = TypeVar("V")


class Shared(Generic[V]):
    """Results by key."""

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns = turns
        self._made: dict[Hashable, asyncio.Task[V]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[V]]) -> V:
        """What `make` makes, or made just now under this key. Raises what it raises."""
        task = self._made.get(key)
        if task is None:
            task = self._made[key] = asyncio.create_task(self._make(make))
            task.add_done_callback(lambda done: self._forget_soon(key, done))
        return await asyncio.shield(task)

    async def _make(self, make: Callable[[], Awaitable[V]]) -> V:
        async with self._turns:
            return await make()

    def _forget_soon(self, key: Hashable, done: asyncio.Task[V]) -> None:
        if not done.cancelled():
            done.exception()  # seen, also where all who asked have gone
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._made.pop, key, None)
