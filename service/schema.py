"""The whole schema: the store's migrations, then the projections'."""

from __future__ import annotations

from collections.abc import Callable

import events.queries
import projections.queries
from events.migrations import apply_migrations

FOLDERS = (events.queries.SQL, projections.queries.SQL)


def _quiet(_: str) -> None:
    """Say nothing."""


async def migrate(admin_url: str, *, log: Callable[[str], None] = _quiet) -> list[str]:
    """Bring the database up to date; names what was applied. Raises StoreUnavailable, MigrationError."""
    return await apply_migrations(admin_url, FOLDERS, log)
