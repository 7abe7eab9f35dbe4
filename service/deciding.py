"""Deciding anew: what is decided on a customer as it was read comes too late when somebody was faster.

In: an attempt, which reads, decides and writes. Out: what it comes to in the end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.errors import Overloaded

T = TypeVar("T")

DECISIONS = 50
"""How often it is decided anew because another process changed the customer meanwhile."""


async def decided(attempt: Callable[[], Awaitable[T | None]]) -> T:
    """The result of the first attempt that has one: None says that somebody was faster. Raises Overloaded."""
    for _ in range(DECISIONS):
        result = await attempt()
        if result is not None:
            return result
    raise Overloaded
