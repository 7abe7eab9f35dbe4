"""Whether the master keys given are those this data was written under.

In: the database and the keys. Out: nothing, or MasterKeyMismatch. Check values of new versions are added, so
that a wrong key is noticed at start and not at the first customer.
"""

from __future__ import annotations

import hmac

from events.database import Database
from events.errors import MasterKeyMismatch
from events.master_keys import MasterKeys
from events.queries import ADD_MASTER_KEY_CHECK, MASTER_KEY_CHECKS


async def check_master_keys(database: Database, master_keys: MasterKeys) -> None:
    """Raise MasterKeyMismatch unless every version in use is among the keys, and right."""
    rows = await database.fetch(MASTER_KEY_CHECKS)
    known: dict[int, bytes] = {row["version"]: row["check_value"] for row in rows}
    for version, check_value in known.items():
        if version not in master_keys.versions:
            raise MasterKeyMismatch(
                f"the data needs master key version {version}, which is not among those given"
            )
        if not hmac.compare_digest(check_value, master_keys.check_value(version)):
            raise MasterKeyMismatch(
                f"master key version {version} is not the one that this data was written under"
            )
    for version in master_keys.versions:
        if version not in known:
            await database.fetch(ADD_MASTER_KEY_CHECK, version, master_keys.check_value(version))
