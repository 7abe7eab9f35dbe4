"""Where a machine of Hypothesis lives: an event loop whose steps are not asynchronous, and a service.

In: a running service, and ways to disturb what works beside it. Out: `World`. Everything in its loop stands
still between two steps.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.support.api import Client, Operator
from tests.support.model import Merchant

T = TypeVar("T")
SCOPES = frozenset({"read", "write", "erase"})

MERCHANTS_BEHIND = """
SELECT FROM events.merchants AS m
LEFT JOIN projections.progress AS p ON p.projection = 'customers' AND p.merchant_id = m.id
WHERE m.position > coalesce(p.position, 0)
"""


@contextmanager
def entered(runner: asyncio.Runner, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """What the manager gives, for a block that is not asynchronous itself."""
    value = runner.run(manager.__aenter__())
    try:
        yield value
    finally:
        runner.run(manager.__aexit__(None, None, None))


@dataclass
class Side:
    """A merchant in the service, and in the model."""

    client: Client
    model: Merchant = field(default_factory=Merchant)


class World(ABC):
    """A service with workers beside it. `taken` counts the ways that a machine went here."""

    workers: tuple[str, ...]
    """The names of those that can be started and stopped."""

    def __init__(self, runner: asyncio.Runner, operator: Operator, nobody: Client) -> None:
        self._runner = runner
        self._operator = operator
        self._nobody = nobody
        self.taken: Counter[str] = Counter()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run this to its end, and meanwhile whatever else is in the loop."""
        return self._runner.run(work)

    async def new_merchant(self) -> Client:
        """A client of a merchant who has nothing yet."""
        _, text = await self._operator.key(await self._operator.merchant(), scopes=SCOPES)
        return self._nobody.having(text)

    async def is_behind(self) -> bool:
        """Whether the read model lacks an event of any merchant."""
        return bool(await self._operator.select(MERCHANTS_BEHIND))

    @abstractmethod
    async def catch_up(self) -> None:
        """See to it that the read model has every event."""

    @abstractmethod
    async def start(self, worker: str) -> None:
        """Start one of the workers, unless it is at work."""

    @abstractmethod
    async def stop(self, worker: str, *, kill: bool) -> None:
        """Stop it, if it is at work, in order or at once."""
