"""Migrations: bring a database's schema up to date, plainly.

In: folders with `migrations/*.sql` (each applied once, in order of name) and `functions/*.sql` (applied
again whenever their text has changed). Out: the names of what was applied. One runner at a time, each file
in a transaction of its own; a migration whose text changed after it was applied is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import asyncpg

from events.database import Row, connect, describe, translated
from events.errors import MigrationError

LOCK = 0x637573746F6D  # any number that nobody else locks
MIGRATION_SECONDS = 3600.0

_PREPARE = """
CREATE SCHEMA IF NOT EXISTS events;
CREATE TABLE IF NOT EXISTS events.migrations (
    name text COLLATE "C" PRIMARY KEY,
    sha256 bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
"""


@dataclass(frozen=True)
class Migration:
    """One file. `repeatable`: applied again when its text changes."""

    name: str
    text: str
    repeatable: bool

    @property
    def sha256(self) -> bytes:
        """What tells whether the text is the one applied."""
        return sha256(self.text.encode()).digest()


def find_migrations(folders: Sequence[Path]) -> Iterator[Migration]:
    """The folders' files in the order of their application. Names begin with the package's name."""
    for folder in folders:
        for kind in ("migrations", "functions"):
            for path in sorted((folder / kind).glob("*.sql")):
                name = f"{folder.parent.name}/{kind}/{path.stem}"
                yield Migration(name, path.read_text(), repeatable=kind == "functions")


async def apply_migrations(url: str, folders: Sequence[Path], log: Callable[[str], None]) -> list[str]:
    """Apply what is missing and name it. Raises StoreUnavailable, MigrationError."""
    raw = await connect(url, command_seconds=MIGRATION_SECONDS)
    try:
        async with translated("migrating"):
            await raw.execute("SELECT pg_advisory_lock($1)", LOCK)
            await raw.execute(_PREPARE)
            found = await raw.fetch("SELECT name, sha256 FROM events.migrations")
            applied: dict[str, bytes] = {row["name"]: row["sha256"] for row in found}
            return [
                m.name for m in find_migrations(folders) if await _apply(raw, m, applied.get(m.name), log)
            ]
    finally:
        await raw.close()


async def _apply(
    raw: asyncpg.Connection[Row], migration: Migration, applied: bytes | None, log: Callable[[str], None]
) -> bool:
    if applied == migration.sha256:
        return False
    if applied is not None and not migration.repeatable:
        raise MigrationError(
            f"{migration.name} was changed after it was applied: add a new migration instead"
        )
    try:
        async with raw.transaction():
            await raw.execute(migration.text)
            await raw.execute(
                "INSERT INTO events.migrations (name, sha256) VALUES ($1, $2) "
                "ON CONFLICT (name) DO UPDATE SET sha256 = EXCLUDED.sha256, applied_at = now()",
                migration.name,
                migration.sha256,
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration.name}: {describe(error)}") from error
    log(f"applied {migration.name}")
    return True
