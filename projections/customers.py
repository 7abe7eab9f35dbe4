"""The customers read model: a row a customer, ready to be answered.

In: a merchant's events, in order (`apply`). Out: single customers, never stale (`CustomerReader`), and lists
(`list_customers`). The table is in `sql/migrations`, the statements in `sql/queries.sql`.

A read by id or email is never stale although the table is filled later: one statement returns the row *and*
the customer's events beyond it, and the reader folds that tail.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from eventsourcing.persistence import StoredEvent

from events.batching import Batcher, Fifo
from events.customer import MEMBERS, Customer
from events.database import KEYED_LOOKUPS, Connection, Database, Row
from events.loading import mapper_with, open_data_key
from events.mapper import from_microseconds, to_domain_event, to_microseconds
from events.master_keys import MasterKeys
from events.rendering import render_customer, render_tombstone
from projections.queries import CREATION_OF, LIST_NEWER, LIST_OLDER, PUT_ROWS, READ_CUSTOMERS, ROWS_OF

NAME = "customers"

READS_AT_ONCE = 128

SECOND = 1_000_000
"""µs."""


class CustomerRow(NamedTuple):
    """A row of the table: the customer at a version. Times are µs; `body` is the JSON to answer."""

    customer_id: str
    version: int
    created_at: int
    updated_at: int
    deleted: bool
    body: bytes


class WantedRow(NamedTuple):
    """A customer by its id, or by the folded key of its email."""

    merchant_id: str
    customer_id: str | None
    email_key: str | None


def fold_row(
    merchant_id: str, row: CustomerRow | None, events: Sequence[Row], master_keys: MasterKeys
) -> CustomerRow | None:
    """The row as it is after these events of its customer."""
    if not events:
        return row
    customer_id = row.customer_id if row else _originator(events[0])
    customer = _restore(merchant_id, row) if row else None
    mapper = mapper_with(open_data_key(master_keys, merchant_id, customer_id, events[0]))
    for event in events:
        stored = StoredEvent(customer_id, event["originator_version"], event["topic"], event["state"])
        customer = to_domain_event(mapper, stored, event["recorded_at"]).mutate(customer)
    if customer is None:
        return None
    created_at, updated_at = to_microseconds(customer.created_on), to_microseconds(customer.modified_on)
    if customer.deleted:
        body = render_tombstone(customer.id)
    else:
        body = render_customer(customer.id, customer.values, created_at // SECOND, updated_at // SECOND)
    return CustomerRow(customer.id, customer.version, created_at, updated_at, customer.deleted, body)


def _originator(event: Row) -> str:
    originator_id: str = event["customer_id"]
    return originator_id


def _restore(merchant_id: str, row: CustomerRow) -> Customer:
    body: dict[str, Any] = orjson.loads(row.body)
    return Customer.restore(
        row.customer_id,
        row.version,
        merchant_id,
        {member: body.get(member) for member in MEMBERS},
        created_on=from_microseconds(row.created_at),
        modified_on=from_microseconds(row.updated_at),
        deleted=row.deleted,
    )


# Events in


async def apply(
    database: Database.Transaction, merchant_id: str, events: Sequence[Row], master_keys: MasterKeys
) -> None:
    """Bring the rows of these events' customers up to date. The events are consecutive in the ledger."""
    by_customer: dict[str, list[Row]] = {}
    for event in events:
        by_customer.setdefault(_originator(event), []).append(event)
    found = await database.fetch(ROWS_OF, merchant_id, list(by_customer))
    rows = {row["customer_id"]: CustomerRow(*row) for row in found}
    changed = [
        fold_row(merchant_id, rows.get(customer_id), _beyond(rows.get(customer_id), own), master_keys)
        for customer_id, own in by_customer.items()
    ]
    columns = zip(*[row for row in changed if row is not None], strict=True)
    await database.fetch(PUT_ROWS, merchant_id, *[list(column) for column in columns])


def _beyond(row: CustomerRow | None, events: list[Row]) -> list[Row]:
    version = row.version if row else 0
    return [event for event in events if event["originator_version"] > version]


# Single customers out, always fresh


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


# Lists out


class Page(NamedTuple):
    """A page of a list, newest first, and whether there is more in the direction asked."""

    bodies: list[bytes]
    has_more: bool


class Cursor(NamedTuple):
    """A place in the list: just beside this customer, live or deleted."""

    created_at: int
    customer_id: str


async def find_cursor(database: Database, merchant_id: str, customer_id: str) -> Cursor | None:
    """The place of a customer in the list, or None if the merchant never had it."""
    found = await database.fetch(CREATION_OF, customer_id, merchant_id)
    return Cursor(found[0]["recorded_at"], customer_id) if found else None


async def list_customers(
    database: Database,
    merchant_id: str,
    created: tuple[int, int],
    limit: int,
    *,
    after: Cursor | None = None,
    before: Cursor | None = None,
) -> Page:
    """Live customers created within `created` (µs, inclusive), after or before a place, newest first."""
    if before is not None:
        statement, place = LIST_NEWER, before
    else:
        statement, place = LIST_OLDER, after or _TOP
    rows = await database.fetch(statement, merchant_id, *created, *place, limit + 1)
    bodies = [row["body"] for row in rows[:limit]]
    if before is not None:
        bodies.reverse()
    return Page(bodies, len(rows) > limit)


_TOP = Cursor(2**62, "")
