"""What statements that only read are run on: a `Database`, a `Connection`, or what tries again on one."""

from __future__ import annotations

from typing import Protocol

from events.database import Row
from events.statements import Statement


class Reader(Protocol):
    """Where a statement is run; from it to its rows. Raises StoreError."""

    async def fetch(self, statement: Statement, *arguments: object) -> list[Row]:
        """The rows of a statement."""
