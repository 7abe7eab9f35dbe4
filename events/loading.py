"""Loading: fold a customer from its own events, as the write side does before every change.

In: which customer, up to which version, and perhaps an idempotency key to look up in the same snapshot of
the database. Out: `Loaded`. All customers wanted at one moment share one query. Never from a read model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from eventsourcing.persistence import StoredEvent

from events.customer import Customer
from events.database import Row
from events.folding import Stored, advance
from events.mapper import mapper_with, read_event
from events.master_keys import MasterKeys
from events.queries import LOAD_CUSTOMERS
from events.reader import Reader
from events.sealing import DataKey, ErasedKey

LATEST = 2**62
"""A version no customer reaches."""


class Wanted(NamedTuple):
    """What to load: the customer as of `last_version`, and what this idempotency key has answered."""

    merchant_id: str
    customer_id: str
    idempotency_key: bytes | None = None
    last_version: int = LATEST


class Answered(NamedTuple):
    """What an idempotency key stands for."""

    fingerprint: bytes
    customer_id: str
    version: int
    status: int


class Loaded(NamedTuple):
    """A customer from its events (None: there are none), its data key, and its key's earlier answer."""

    customer: Customer | None
    data_key: DataKey | None
    answered: Answered | None


class Loader:
    """Answers batches of `Wanted` over one kept connection, in a transaction, or from a pool."""

    def __init__(self, connection: Reader, master_keys: MasterKeys) -> None:
        self._connection = connection
        self._master_keys = master_keys

    async def load(self, wanted: list[Wanted]) -> Sequence[Loaded | Exception]:
        """One query for all; a history that cannot be opened fails alone."""
        columns = [list(column) for column in zip(*wanted, strict=True)]
        merchant_ids, customer_ids, keys, versions = columns
        rows = await self._connection.fetch(LOAD_CUSTOMERS, merchant_ids, customer_ids, keys, versions)
        groups = groupby(rows, itemgetter("n"))
        return [self._fold_alone(one, list(group)) for one, (_, group) in zip(wanted, groups, strict=True)]

    def _fold_alone(self, wanted: Wanted, rows: list[Row]) -> Loaded | Exception:
        try:
            return self._fold(wanted, rows)
        except Exception as error:  # noqa: BLE001  # handed to the one who asked for it
            return error

    def _fold(self, wanted: Wanted, rows: list[Row]) -> Loaded:
        first = rows[0]
        answered = None
        if first["answered_version"] is not None:
            answered = Answered(*first[1:5])
        data_key = open_data_key(self._master_keys, wanted.merchant_id, wanted.customer_id, first)
        return Loaded(fold(wanted.customer_id, rows, data_key), data_key, answered)


def open_data_key(master_keys: MasterKeys, merchant_id: str, customer_id: str, row: Row) -> DataKey | None:
    """The data key of a row with `wrapped_key` and `master_version`, if it has one; an erased one's stand-in.

    Erasure leaves the key's row without the key. No row at all is nobody's doing that we know: None.
    """
    if is_erased(row):
        return ErasedKey()
    if row["wrapped_key"] is None:
        return None
    return master_keys.unwrap(row["wrapped_key"], row["master_version"], merchant_id, customer_id)


def is_erased(row: Row) -> bool:
    """Whether the key's row is there without its key."""
    return row["wrapped_key"] is None and row["master_version"] is not None


def fold(customer_id: str, rows: list[Row], data_key: DataKey | None) -> Customer | None:
    """The customer from a snapshot (if the first row has one) and the events of the rows, in order."""
    customer: Customer | None = None
    first = rows[0]
    if first["snapshot_version"] is not None:
        stored = StoredEvent(
            customer_id, first["snapshot_version"], first["snapshot_topic"], first["snapshot_state"]
        )
        customer = read_event(mapper_with(data_key), stored).mutate(None)
    for row in rows:
        if row["originator_version"] is not None:
            happened = Stored(
                customer_id, row["originator_version"], row["topic"], row["state"], row["recorded_at"]
            )
            customer = advance(customer, happened, data_key)
    return customer
