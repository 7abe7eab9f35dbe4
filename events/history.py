"""A customer's history: each event with what it changed, and the version that was in force at a moment.

In: a customer's id, and a place in its history. Out: `Happened`s, in the order asked. The values before a
page are folded from the snapshot below it, so a page far down a long history costs what the first one does.
Of an erased customer the events still name the members that they changed, and no value of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import orjson

from events.customer import MEMBERS, Customer, Values
from events.database import KEYED_LOOKUPS, Connection, Database, Row
from events.errors import EventUnreadable
from events.folding import Stored, advance
from events.key_checks import prove_master_keys
from events.loading import LATEST, Loaded, Loader, Wanted, is_erased, open_data_key
from events.master_keys import MasterKeys
from events.queries import CREATION_OF, HISTORY_NEWER, HISTORY_OLDER, VERSION_AT
from events.sealing import DataKey

ERASED_VALUE = "[erased]"
"""Stands for values that nobody can read any more."""

Load = Callable[[Wanted], Awaitable[Loaded]]
"""How customers are folded: `EventStore.load`, or one's own."""


class BeforeAndAfter(NamedTuple):
    """A member's value before an event and after it; None for what is not set."""

    before: Any
    after: Any


Changes = dict[str, BeforeAndAfter]
"""By member; one within another by its path, `address.city`, `metadata.tier`."""


class Happened(NamedTuple):
    """One event. `recorded_at` is in µs; `metadata` is what was recorded of the request that made it."""

    position: int
    version: int
    topic: str
    recorded_at: int
    metadata: dict[str, Any]
    changes: Changes


class HistoryPage(NamedTuple):
    """Events in the order asked, and whether there are more beyond them."""

    events: list[Happened]
    has_more: bool


class History:
    """Reads histories."""

    def __init__(self, database: Database, load: Load, master_keys: MasterKeys) -> None:
        self.database = database
        self._load = load
        self._master_keys = master_keys

    async def page(
        self, merchant_id: str, customer_id: str, limit: int, *, newest_first: bool, beyond: int | None = None
    ) -> HistoryPage:
        """At most `limit` events beyond a version. Empty: there are none. Raises StoreError."""
        if newest_first:
            statement, place = HISTORY_OLDER, LATEST if beyond is None else beyond
        else:
            statement, place = HISTORY_NEWER, beyond or 0
        rows = await self.database.fetch(statement, merchant_id, customer_id, place, limit + 1)
        read = rows[:limit]
        if newest_first:
            read.reverse()
        events = await self._told(merchant_id, customer_id, read) if read else []
        if newest_first:
            events.reverse()
        return HistoryPage(events, len(rows) > limit)

    async def _told(self, merchant_id: str, customer_id: str, rows: Sequence[Row]) -> list[Happened]:
        """The events of these rows, which follow one another."""
        first = rows[0]
        if is_erased(first):
            return [_happened(row, _unknown(row)) for row in rows]
        customer = await self._before(merchant_id, customer_id, first["version"])
        data_key = open_data_key(self._master_keys, merchant_id, customer_id, first)
        events = []
        for row in rows:
            values = customer.values if customer else None
            customer = _after(customer_id, row, customer, data_key)
            events.append(_happened(row, differences(values, customer.values)))
        return events

    async def _before(self, merchant_id: str, customer_id: str, version: int) -> Customer | None:
        if version == Customer.INITIAL_VERSION:
            return None
        wanted = Wanted(merchant_id, customer_id, last_version=version - 1)
        return (await self._load(wanted)).customer


@asynccontextmanager
async def open_history(url: str, master_keys: MasterKeys) -> AsyncIterator[History]:
    """A reader of histories with its own connections, for a block. Raises MasterKeyMismatch, StoreError."""
    await prove_master_keys(url, master_keys)
    connection = Connection(url, KEYED_LOOKUPS)
    loader = Loader(connection, master_keys)

    async def load(wanted: Wanted) -> Loaded:
        (loaded,) = await loader.load([wanted])
        if isinstance(loaded, Exception):
            raise loaded
        return loaded

    async with Database.connect(url, size=1) as database:
        try:
            yield History(database, load, master_keys)
        finally:
            await connection.close()


async def creation_of(database: Database, merchant_id: str, customer_id: str) -> int | None:
    """When a customer, live or deleted, was created (µs); None if the merchant never had it."""
    found = await database.fetch(CREATION_OF, customer_id, merchant_id)
    return int(found[0]["recorded_at"]) if found else None


async def version_at(database: Database, merchant_id: str, customer_id: str, moment: int) -> int:
    """The version that a customer had at a moment (µs), inclusive; 0: there was none yet."""
    found = await database.fetch(VERSION_AT, merchant_id, customer_id, moment)
    return found[0]["version"] if found else 0


def differences(before: Values | None, after: Values) -> Changes:
    """What changed between two versions of a customer; before its first one nothing was set."""
    changes: Changes = {}
    for member in MEMBERS:
        old, new = before[member] if before else None, after[member]
        if isinstance(old, dict) or isinstance(new, dict):
            old, new = old or {}, new or {}
            for key in old | new:
                _compare(changes, f"{member}.{key}", old.get(key), new.get(key))
        else:
            _compare(changes, member, old, new)
    return changes


def _compare(changes: Changes, name: str, old: Any, new: Any) -> None:
    if old != new:
        changes[name] = BeforeAndAfter(old, new)


def _after(customer_id: str, row: Row, before: Customer | None, data_key: DataKey | None) -> Customer:
    stored = Stored(customer_id, row["version"], row["topic"], row["state"], row["recorded_at"])
    after = advance(before, stored, data_key)
    if after is None:
        raise EventUnreadable(f"version {row['version']} of {customer_id} leaves no customer")
    return after


def _unknown(row: Row) -> Changes:
    """What an event that cannot be opened says in clear: which members changed."""
    erased = BeforeAndAfter(ERASED_VALUE, ERASED_VALUE)
    return dict.fromkeys(orjson.loads(row["state"]).get("members", ()), erased)


def _happened(row: Row, changes: Changes) -> Happened:
    metadata = orjson.loads(row["metadata"])
    return Happened(row["position"], row["version"], row["topic"], row["recorded_at"], metadata, changes)
