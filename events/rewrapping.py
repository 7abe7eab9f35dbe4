"""Rewrapping: the customers' data keys under the newest master key, while everything goes on.

In: the database, as the owner of the schema, and master keys that know the old versions and the new one. Out:
pages of data keys wrapped anew. What was sealed stays as it is. An interrupted run is begun again: keys that
are wrapped by the newest version are left alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from events.database import Database, Row
from events.master_keys import MasterKeys
from events.queries import API_KEYS_BY_VERSION, ESTIMATE_DATA_KEYS, REWRAP, WRAPPED_KEYS_PAGE

PAGE = 500


class Rewrapped(NamedTuple):
    """A page: how many data keys were looked at, and how many are wrapped anew."""

    seen: int
    rewrapped: int


async def rewrap(database: Database, master_keys: MasterKeys) -> AsyncIterator[Rewrapped]:
    """Wrap every data key by the current version, in pages. Raises StoreError, MasterKeyMismatch."""
    last = ("", "")
    while rows := await database.fetch(WRAPPED_KEYS_PAGE, *last, PAGE):
        last = rows[-1]["merchant_id"], rows[-1]["customer_id"]
        old = [row for row in rows if row["wrapped_key"] and row["master_version"] != master_keys.current]
        done = await _rewrap_page(database, master_keys, old) if old else 0
        yield Rewrapped(len(rows), done)


async def estimate_data_keys(database: Database) -> int | None:
    """About how many rows `rewrap` looks at, without counting millions of them; None: nobody knows."""
    return int((await database.fetch(ESTIMATE_DATA_KEYS))[0]["keys"]) or None


async def api_keys_by_version(database: Database) -> dict[int, int]:
    """How many API keys in force need each version of the master key."""
    return {row["master_version"]: row["keys"] for row in await database.fetch(API_KEYS_BY_VERSION)}


async def _rewrap_page(database: Database, master_keys: MasterKeys, rows: list[Row]) -> int:
    changed = []
    for merchant_id, customer_id, wrapped, version in rows:
        data_key = master_keys.unwrap(wrapped, version, merchant_id, customer_id)
        anew = master_keys.wrap(data_key, merchant_id, customer_id)
        changed.append((merchant_id, customer_id, wrapped, anew))
    columns = [list(column) for column in zip(*changed, strict=True)]
    return len(await database.fetch(REWRAP, *columns, master_keys.current))
