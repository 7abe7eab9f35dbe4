"""Single customers out of the read model, never stale.

In: an id, or the folded key of an email. Out: the customer's row as of now. The table is filled later: one
statement returns the row *and* the customer's events beyond it, and that tail is folded here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from events.batching import Batcher, Fifo
from events.database import KEYED_LOOKUPS, Connection, Row
from events.master_keys import MasterKeys
from projections.customers import CustomerRow, fold_row
from projections.queries import READ_CUSTOMERS

READS_AT_ONCE = 128


class WantedRow(NamedTuple):
    """A customer by its id, or by the folded key of its email."""

    merchant_id: str
    customer_id: str | None
    email_key: str | None


class CustomerReader:
    """Reads single customers; those wanted at one moment share one statement. Make one with `open`."""

    def __init__(self, batcher: Batcher[WantedRow, CustomerRow | None]) -> None:
        self._batcher = batcher

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, master_keys: MasterKeys, *, connections: int = 2, room: int = 4096
    ) -> AsyncIterator[CustomerReader]:
        """A reader with its own connections, for a block."""
        kept = [Connection(url, KEYED_LOOKUPS) for _ in range(connections)]
        runs = [_Read(connection, master_keys) for connection in kept]
        batcher: Batcher[WantedRow, CustomerRow | None] = Batcher(Fifo(room), runs, most=READS_AT_ONCE)
        batcher.start()
        try:
            yield cls(batcher)
        finally:
            await batcher.stop()
            for connection in kept:
                await connection.close()

    async def by_id(self, merchant_id: str, customer_id: str) -> CustomerRow | None:
        """The customer as of now, also as a tombstone. Raises StoreUnavailable, StoreBusy."""
        return await self._batcher.ask(WantedRow(merchant_id, customer_id, None))

    async def by_email(self, merchant_id: str, email_key: str) -> CustomerRow | None:
        """The live customer that holds this email now. Raises StoreUnavailable, StoreBusy."""
        return await self._batcher.ask(WantedRow(merchant_id, None, email_key))


@dataclass(frozen=True)
class _Read:
    """Answers one batch on one connection."""

    connection: Connection
    master_keys: MasterKeys

    async def __call__(self, wanted: list[WantedRow]) -> list[CustomerRow | Exception | None]:
        columns = [list(column) for column in zip(*wanted, strict=True)]
        rows = await self.connection.fetch(READ_CUSTOMERS, *columns)
        groups = [list(group) for _, group in groupby(rows, itemgetter("n"))]
        return [self._fold(one, group) for one, group in zip(wanted, groups, strict=True)]

    def _fold(self, wanted: WantedRow, group: list[Row]) -> CustomerRow | Exception | None:
        first = group[0]
        row = CustomerRow(*first[1:7]) if first["version"] is not None else None
        if first["originator_version"] is None:
            return row
        try:
            return fold_row(wanted.merchant_id, row, group, self.master_keys)
        except Exception as error:  # noqa: BLE001  # handed to the one who asked for it
            return error
