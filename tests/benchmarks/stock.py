"""A large store of real customers, sealed and chained as the service writes them, filled by COPY.

Comes in: a migrated database with merchants, and how many events of how many a customer. Goes out: the store
as it would be had they been appended, its outbox too. What opens it opens every value; nothing is made up
but the way in, which is some times faster.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from events.customer import Customer
from events.ids import CUSTOMER_PREFIX, make_id
from events.ledger import first_hash, leaf_hash, next_hash
from events.mapper import from_microseconds, mapper_with
from events.master_keys import MasterKeys
from events.sealing import DataKey
from tests.benchmarks.customers import CREATE
from tests.benchmarks.load import NUMBER, RUN

EVENTS = (
    "originator_id",
    "originator_version",
    "topic",
    "state",
    "merchant_id",
    "position",
    "recorded_at",
    "hash",
    "metadata",
)
KEYS = ("merchant_id", "customer_id", "wrapped_key", "master_version")
HEAD = "UPDATE events.merchants SET position = $2, recorded_at = $3, hash = $4 WHERE id = $1"
OUTBOX = """
INSERT INTO events.outbox (notification_id, merchant_id, position)
SELECT notification_id, merchant_id, position FROM events.customer_events
"""
SETTLE = "VACUUM ANALYZE events.customer_events, events.customer_keys"
CHUNK = 20_000
"""Events that are in memory at once."""
BEGIN = 1_700_000_000_000_000  # µs
METADATA = b'{"actor":"key_benchmark","requestId":"%b","commandId":"%b"}' % (b"r" * 30, b"c" * 30)
SECONDS = 600.0


class Stock(NamedTuple):
    """Rows for the two tables, and how many events they have."""

    events: list[tuple[Any, ...]]
    keys: list[tuple[Any, ...]]


async def stock(
    connection: Any, merchants: Sequence[str], master_keys: MasterKeys, events: int, *, of_each: int = 1
) -> None:
    """Fill so many events, the same number of each merchant, `of_each` of a customer."""
    for number, merchant_id in enumerate(merchants):
        share = events // len(merchants)
        rows = _ledger(merchant_id, number, master_keys, share, of_each)
        while chunk := list(itertools.islice(rows, CHUNK)):
            await _copy(connection, "customer_events", EVENTS, [event for event, _ in chunk])
            await _copy(connection, "customer_keys", KEYS, [key for _, key in chunk if key])
            _, _, _, _, _, *last, _ = chunk[-1][0]
        await connection.execute(HEAD, merchant_id, *last)
    await connection.execute(OUTBOX)
    await connection.execute(SETTLE, timeout=SECONDS)


async def _copy(connection: Any, table: str, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    await connection.copy_records_to_table(
        table, schema_name="events", columns=columns, records=rows, timeout=SECONDS
    )


def _ledger(
    merchant_id: str, number: int, master_keys: MasterKeys, events: int, of_each: int
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...] | None]]:
    """Each event's row, with its customer's key's if it is the customer's first."""
    digest, position = first_hash(merchant_id), 0
    for customer in range(events // of_each):
        data_key = DataKey.generate()
        customer_id = make_id(CUSTOMER_PREFIX, customer, number.to_bytes(10))
        key = (merchant_id, customer_id, master_keys.wrap(data_key, merchant_id, customer_id), 1)
        mapper = mapper_with(data_key)
        for event in _history(merchant_id, customer_id, f"{number}-{customer}", of_each):
            position += 1
            moment = BEGIN + 1000 * position
            stored = mapper.to_stored_event(event)
            version, topic, state = stored.originator_version, stored.topic, stored.state
            leaf = leaf_hash(position, moment, customer_id, version, topic, METADATA, state)
            digest = next_hash(digest, leaf)
            row = (customer_id, version, topic, state, merchant_id, position, moment, digest, METADATA)
            yield row, key if version == 1 else None


def _history(merchant_id: str, customer_id: str, name: str, versions: int) -> Sequence[Any]:
    values = orjson.loads(CREATE.replace(RUN, "stock").replace(NUMBER, name))
    members = dict.fromkeys(
        ("email", "name", "phone", "address", "companyName", "taxId", "description", "metadata")
    )
    customer = Customer.create(customer_id, merchant_id, members | values, from_microseconds(BEGIN))
    for version in range(2, versions + 1):
        changed = customer.values | {"description": f"as of version {version}"}
        customer.update(changed, from_microseconds(BEGIN))
    return list(customer.collect_events())
