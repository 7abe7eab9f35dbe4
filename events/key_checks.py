"""Whether the master keys given are those this data was written under, and which of them wraps.

In: the database and the keys. Out: nothing, or MasterKeyMismatch: a wrong key is noticed at start and not at
the first customer. The database has a check value of each version in use, and the highest of those wraps. A
version that is given and not in use yet is only known: so every process can know a new one before any of them
wraps with it. On an empty database all versions given are in use from then on.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from events.database import Database
from events.errors import MasterKeyMismatch
from events.master_keys import MasterKeys
from events.queries import ADD_MASTER_KEY_CHECK, MASTER_KEY_CHECKS


async def prove_master_keys(url: str, master_keys: MasterKeys) -> None:
    """The same for a database by its URL. Raises MasterKeyMismatch, StoreUnavailable."""
    async with Database.connect(url, size=1) as database:
        await check_master_keys(database, master_keys)


async def check_master_keys(database: Database, master_keys: MasterKeys) -> None:
    """Raise MasterKeyMismatch unless every version in use is among the keys, and right; the highest wraps."""
    used = await _compare(database, master_keys)
    if not used:
        await use_versions(database, master_keys, master_keys.versions)
    else:
        master_keys.wrap_with(max(used))


async def use_versions(database: Database, master_keys: MasterKeys, versions: Sequence[int]) -> None:
    """Take these versions into use, the highest to wrap. Raises MasterKeyMismatch."""
    for version in versions:
        await database.fetch(ADD_MASTER_KEY_CHECK, version, master_keys.check_value(version))
    # Compared again: another process may have been first, with another key.
    master_keys.wrap_with(max(await _compare(database, master_keys)))


async def _compare(database: Database, master_keys: MasterKeys) -> set[int]:
    """The versions that the data was written under, all of them proved. Raises MasterKeyMismatch."""
    rows = await database.fetch(MASTER_KEY_CHECKS)
    for version, check_value in rows:
        if version not in master_keys.versions:
            raise MasterKeyMismatch(
                f"the data needs master key version {version}, which is not among those given"
            )
        if not hmac.compare_digest(check_value, master_keys.check_value(version)):
            raise MasterKeyMismatch(
                f"master key version {version} is not the one that this data was written under"
            )
    return {row["version"] for row in rows}
