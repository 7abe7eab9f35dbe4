"""The demo merchant and its key, which a local run makes once and shows at every start.

In: the data directory and the database. Out: a merchant's id and the text of a working key with every scope.
"""

from __future__ import annotations

from typing import NamedTuple

from events.database import Database
from events.master_keys import MasterKeys
from service.api_keys import SCOPES, create_key, list_keys
from service.embedded.data_directory import DataDirectory
from service.errors import StartupError
from service.key_format import parse_key_text
from service.merchants import create_merchant, find_merchant

MERCHANT_FILE = "demo.merchant"
KEY_FILE = "demo.key"


class Demo(NamedTuple):
    """Who may use a local run."""

    merchant_id: str
    api_key: str


async def ensure_demo(directory: DataDirectory, database: Database, master_keys: MasterKeys) -> Demo:
    """The directory's demo, made where it, or the database's part of it, is missing.

    Raises:
        DataDirectoryError, StoreUnavailable.
    """
    merchant_id = await ensure_merchant(directory, database)
    return Demo(merchant_id, await ensure_key(directory, database, master_keys, merchant_id))


async def ensure_merchant(directory: DataDirectory, database: Database) -> str:
    """The id in the directory's file if that merchant is active, else that of a new test merchant."""
    kept = (directory.read(MERCHANT_FILE) or "").strip()
    found = await find_merchant(database, kept) if kept else None
    if found is not None and found.status == "active":
        return kept
    made = await create_merchant(database, merchant_id=None, live=False, currency="USDC")
    if made is None:
        raise StartupError("a demo merchant could not be made: its new id is taken")
    directory.write(MERCHANT_FILE, made.id + "\n")
    return made.id


async def ensure_key(
    directory: DataDirectory, database: Database, master_keys: MasterKeys, merchant_id: str
) -> str:
    """The text in the directory's file if that key is in force, else that of a new key."""
    kept = (directory.read(KEY_FILE) or "").strip()
    parsed = parse_key_text(kept)
    in_force = {key.id for key in await list_keys(database, merchant_id) if key.revoked_at is None}
    if parsed is not None and parsed.key_id in in_force:
        return kept
    made = await create_key(
        database,
        master_keys,
        merchant_id=merchant_id,
        name="demo",
        scopes=frozenset(SCOPES),
        allowed_cidrs=[],
        rate_limit=0,
    )
    if made is None:
        raise StartupError(f"a demo key could not be made: there is no merchant {merchant_id}")
    directory.write(KEY_FILE, made[1] + "\n")
    return made[1]
