"""The customers read model: a row a customer, ready to be answered; how events change it.

In: messages about customers (`apply_messages`), or a merchant's events from the store (`apply_events`). Out:
rows, which `customer_reader.py` and `customer_list.py` read. The table is in `sql/migrations`.

One rule stands for duplicates, gaps and phantoms: an event is applied only if it follows the hash at which
the projection stands; what lies at or below its position is passed over; anything else is read from the
store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
import structlog

from events.customer import MEMBERS, Customer
from events.database import Database, Row
from events.errors import StoreError
from events.folding import Stored, advance
from events.loading import open_data_key
from events.mapper import from_microseconds, to_microseconds
from events.master_keys import MasterKeys
from events.rendering import render_customer, render_tombstone
from events.statements import Statement
from projections.customer_change import CustomerChange, merchant_of, read_change
from projections.delivery import Delivery
from projections.parking import ParkedRow, forget_parked, park_customer, reason_of
from projections.progress import Place, lock_places, move
from projections.queries import EVENTS_OF, HASHES_AT, NEXT_EVENTS, PUT_MESSAGES, PUT_ROWS, ROWS_OF
from projections.search_terms import NO_TERMS, Terms, terms_of

NAME = "customers"

PAGE = 500
"""Events of a merchant that are read from the store at once."""

log = structlog.get_logger(__name__)

_SECOND = 1_000_000  # µs


class HistoryDiverged(StoreError):
    """A projection stands at a hash that the ledger never had: it followed events that are not there."""


class Target(NamedTuple):
    """Which table events go into, by the name of its progress and the statements on its rows."""

    name: str
    rows_of: Statement
    put_rows: Statement


LIVE = Target(NAME, ROWS_OF, PUT_ROWS)


class CustomerRow(NamedTuple):
    """A row of the table: the customer at a version. Times are µs; `body` is the JSON to answer."""

    customer_id: str
    version: int
    created_at: int
    updated_at: int
    deleted: bool
    body: bytes


# Events as messages


async def apply_messages(
    transaction: Database.Transaction, deliveries: Sequence[Delivery], master_keys: MasterKeys
) -> None:
    """Bring the rows and the progress up to date with these messages, in any order, known or not."""
    changes = [change for delivery in deliveries if (change := read_change(delivery)) is not None]
    told = {merchant_of(delivery) for delivery in deliveries}
    places = await lock_places(transaction, NAME, sorted(told))
    runs = await _proved(transaction, _runs(changes, places))
    await _put_messages(transaction, [change for run in runs.values() for change in run])
    moved = {merchant_id: Place(run[-1].position, run[-1].hash) for merchant_id, run in runs.items()}
    await move(transaction, NAME, moved)
    for merchant_id in sorted(_behind(deliveries, places | moved)):
        await _catch_up(transaction, merchant_id, (places | moved)[merchant_id], master_keys)


def _runs(changes: Sequence[CustomerChange], places: dict[str, Place]) -> dict[str, list[CustomerChange]]:
    """For each merchant the changes that continue its ledger from where the projection stands."""
    ordered = sorted(changes, key=attrgetter("merchant_id", "position"))
    runs = {
        merchant_id: _following(places[merchant_id], own)
        for merchant_id, own in groupby(ordered, attrgetter("merchant_id"))
        if merchant_id in places
    }
    return {merchant_id: run for merchant_id, run in runs.items() if run}


async def _proved(
    transaction: Database.Transaction, runs: dict[str, list[CustomerChange]]
) -> dict[str, list[CustomerChange]]:
    """The runs that end with the ledger's own hash, which proves all of a run.

    After a failover that lost events, a message of a lost one continues the ledger as well as the true one.
    """
    places = [[merchant_id, run[-1].position] for merchant_id, run in runs.items()]
    merchant_ids, positions = zip(*places, strict=True) if places else ((), ())
    rows = await transaction.fetch(HASHES_AT, list(merchant_ids), list(positions)) if places else []
    hashes = {row["merchant_id"]: row["hash"] for row in rows}
    return {merchant_id: run for merchant_id, run in runs.items() if hashes.get(merchant_id) == run[-1].hash}


def _following(place: Place, changes: Iterable[CustomerChange]) -> list[CustomerChange]:
    """Those that continue the ledger from here; a change may come twice, and false ones may be among them."""
    followed: list[CustomerChange] = []
    for change in changes:
        if change.previous_hash == place.hash and change.position == place.position + 1:
            followed.append(change)
            place = Place(change.position, change.hash)
    return followed


def _behind(deliveries: Sequence[Delivery], places: dict[str, Place]) -> set[str]:
    """Merchants of whom something was told that lies beyond the place reached."""
    found = set()
    for delivery in deliveries:
        merchant_id = merchant_of(delivery)
        sequence = delivery.headers.get("ce-sequence", "")
        position = int(sequence) if sequence.isdecimal() else 0
        if merchant_id in places and position > places[merchant_id].position:
            found.add(merchant_id)
    return found


async def _put_messages(transaction: Database.Transaction, changes: Sequence[CustomerChange]) -> None:
    last: dict[tuple[str, str], CustomerChange] = {}
    created: dict[tuple[str, str], int] = {}
    for change in changes:
        key = (change.merchant_id, change.customer_id)
        last[key] = change
        if change.version == 1:
            created[key] = change.recorded_at
    rows = [
        (*key, one.version, created.get(key), one.recorded_at, one.deleted, one.body, *one.terms)
        for key, one in sorted(last.items())
    ]
    if rows:
        await transaction.fetch(PUT_MESSAGES, *[list(column) for column in zip(*rows, strict=True)])


# Events from the store


async def catch_up(
    database: Database, merchant_id: str, master_keys: MasterKeys, target: Target = LIVE
) -> int:
    """Apply one page of a merchant's events; how many. Raises HistoryDiverged, StoreError."""
    async with database.transaction() as transaction:
        return await catch_up_within(transaction, merchant_id, master_keys, target)


async def catch_up_within(
    transaction: Database.Transaction, merchant_id: str, master_keys: MasterKeys, target: Target
) -> int:
    """The same in the caller's transaction."""
    places = await lock_places(transaction, target.name, [merchant_id])
    if merchant_id not in places:
        return 0
    applied = await _catch_up(transaction, merchant_id, places[merchant_id], master_keys, target)
    if applied is None:
        raise HistoryDiverged(
            f"position {places[merchant_id].position} has another hash in the ledger, or is gone"
        )
    return applied


async def _catch_up(
    transaction: Database.Transaction,
    merchant_id: str,
    place: Place,
    master_keys: MasterKeys,
    target: Target = LIVE,
) -> int | None:
    """Apply one page of a merchant's events; how many, None when the ledger does not have this place."""
    page = await transaction.fetch(NEXT_EVENTS, merchant_id, max(place.position, 1), PAGE)
    if place.position > 0:
        if not page or page[0]["position"] != place.position or page[0]["hash"] != place.hash:
            log.critical("history_diverged", merchant_id=merchant_id, position=place.position)
            return None
        page = page[1:]
    if page:
        await apply_events(transaction, merchant_id, page, master_keys, target)
        await move(transaction, target.name, {merchant_id: Place(page[-1]["position"], page[-1]["hash"])})
    return len(page)


async def apply_events(
    transaction: Database.Transaction,
    merchant_id: str,
    events: Sequence[Row],
    master_keys: MasterKeys,
    target: Target = LIVE,
) -> None:
    """Bring the rows of these events' customers up to date; a customer that cannot be read is parked."""
    by_customer: dict[str, list[Row]] = {}
    for event in events:
        by_customer.setdefault(event["customer_id"], []).append(event)
    found = await transaction.fetch(target.rows_of, merchant_id, list(by_customer))
    rows = {row["customer_id"]: CustomerRow(*row) for row in found}
    changed: list[CustomerRow] = []
    for customer_id, own in sorted(by_customer.items()):
        try:
            row = fold_row(merchant_id, rows.get(customer_id), own, master_keys)
        except StoreError as error:
            log.critical("customer_parked", merchant_id=merchant_id, customer_id=customer_id)
            await park_customer(transaction, merchant_id, customer_id, reason_of(error))
        else:
            if row is not None:
                changed.append(row)
    await put_rows(transaction, merchant_id, changed, target)


async def retry_customer(
    transaction: Database.Transaction, parked: ParkedRow, master_keys: MasterKeys
) -> None:
    """Make a parked customer's row from all its events. Raises StoreError when they cannot be read."""
    merchant_id, customer_id = parked.merchant_id or "", parked.customer_id or ""
    await lock_places(transaction, NAME, [merchant_id])  # nobody applies this merchant's events meanwhile
    events = await transaction.fetch(EVENTS_OF, merchant_id, customer_id)
    row = fold_row(merchant_id, None, events, master_keys)
    await put_rows(transaction, merchant_id, [row] if row else [])


async def forget_customer(transaction: Database.Transaction, customer: Customer) -> None:
    """Leave nothing of a customer but its tombstone, in the transaction that erases it.

    The row is that of its last version: whatever was on its way to the row comes too late.
    """
    await put_rows(transaction, customer.merchant_id, [row_of(customer)])
    await forget_parked(transaction, customer.merchant_id, customer.id)


async def put_rows(
    transaction: Database.Transaction,
    merchant_id: str,
    rows: Sequence[CustomerRow],
    target: Target = LIVE,
    terms: Sequence[Terms] | None = None,
) -> None:
    """Write rows, never backward; `terms` of each, if they are at hand."""
    if rows:
        terms = terms or [row_terms(merchant_id, row) for row in rows]
        columns = [list(column) for part in (rows, terms) for column in zip(*part, strict=True)]
        await transaction.fetch(target.put_rows, merchant_id, *columns)


def row_terms(merchant_id: str, row: CustomerRow) -> Terms:
    """What lists find a row by."""
    return NO_TERMS if row.deleted else terms_of(merchant_id, orjson.loads(row.body))


def fold_row(
    merchant_id: str, row: CustomerRow | None, events: Sequence[Row], master_keys: MasterKeys
) -> CustomerRow | None:
    """The row as it is after these events of its customer; those that it has already are passed over.

    Raises StoreError: the events cannot be read, or do not follow the row.
    """
    version = row.version if row else 0
    events = [event for event in events if event["originator_version"] > version]
    if not events:
        return row
    if events[0]["originator_version"] != version + 1:
        raise StoreError(f"an event before version {events[0]['originator_version']} was not applied")
    customer_id: str = events[0]["customer_id"]
    customer = _restore(merchant_id, row) if row else None
    data_key = open_data_key(master_keys, merchant_id, customer_id, events[0])
    for event in events:
        stored = Stored(
            customer_id, event["originator_version"], event["topic"], event["state"], event["recorded_at"]
        )
        customer = advance(customer, stored, data_key)
    return row_of(customer) if customer else None


def row_of(customer: Customer) -> CustomerRow:
    """The row of a customer."""
    created_at, updated_at = to_microseconds(customer.created_on), to_microseconds(customer.modified_on)
    if customer.deleted:
        body = render_tombstone(customer.id)
    else:
        body = render_customer(customer.id, customer.values, created_at // _SECOND, updated_at // _SECOND)
    return CustomerRow(customer.id, customer.version, created_at, updated_at, customer.deleted, body)


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
