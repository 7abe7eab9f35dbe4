"""The invariants of a whole database, recomputed from its rows: I3, I6 and I8 of the fault matrix.

In: the administrator's URL of a database, and the master keys when the events are to be opened. Out: how many
events each merchant has; an AssertionError names the first row that is wrong. The database may be in use: all
is read from one snapshot of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import asyncpg

from events.ledger import first_hash, leaf_hash, next_hash
from events.loading import fold
from events.master_keys import MasterKeys
from service.email_address import email_key

Rows = list[Any]

ENDS = ("CustomerDeleted", "CustomerErased")

EVENTS = 'SELECT * FROM events.customer_events ORDER BY merchant_id COLLATE "C", position'
HISTORIES = """
SELECT e.*, k.wrapped_key, k.master_version, NULL::bigint AS snapshot_version
FROM events.customer_events AS e
LEFT JOIN events.customer_keys AS k ON k.merchant_id = e.merchant_id AND k.customer_id = e.originator_id
ORDER BY e.merchant_id, e.originator_id, e.originator_version
"""
LOST_OUTBOX_ROWS = """
SELECT notification_id, merchant_id, position FROM events.outbox
EXCEPT SELECT notification_id, merchant_id, position FROM events.customer_events
"""
LOST_IDEMPOTENCY_KEYS = """
SELECT merchant_id, customer_id, version FROM events.idempotency_keys
EXCEPT SELECT merchant_id, originator_id, originator_version FROM events.customer_events
"""
LOST_DATA_KEYS = """
SELECT merchant_id, customer_id FROM events.customer_keys
EXCEPT SELECT merchant_id, originator_id FROM events.customer_events
"""
KEYS_DESTROYED_OTHERWISE = """
SELECT k.merchant_id, k.customer_id FROM events.customer_keys AS k WHERE k.wrapped_key IS NULL
EXCEPT SELECT e.merchant_id, e.originator_id FROM events.customer_events AS e WHERE e.topic = 'CustomerErased'
"""
KEYS_OF_ERASED_CUSTOMERS = """
SELECT e.merchant_id, e.originator_id FROM events.customer_events AS e WHERE e.topic = 'CustomerErased'
EXCEPT SELECT k.merchant_id, k.customer_id FROM events.customer_keys AS k WHERE k.wrapped_key IS NULL
"""
SNAPSHOTS_OF_ERASED_CUSTOMERS = """
SELECT s.merchant_id, s.originator_id FROM events.customer_snapshots AS s INTERSECT
SELECT e.merchant_id, e.originator_id FROM events.customer_events AS e WHERE e.topic = 'CustomerErased'
"""
NOT_IN_OUTBOX = """
SELECT notification_id, merchant_id, position FROM events.customer_events
EXCEPT SELECT notification_id, merchant_id, position FROM events.outbox
"""


async def check_ledger(
    url: str, master_keys: MasterKeys | None = None, *, published: bool = True
) -> dict[str, int]:
    """Assert the invariants; the number of events by merchant.

    Without `master_keys` the claims are checked as far as sealed events allow. `published=False`: no relay
    has been at work, so every event must still be in the outbox.
    """
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await check_snapshot(connection, master_keys, published=published)
    finally:
        await connection.close()


async def check_snapshot(
    connection: Any, master_keys: MasterKeys | None = None, *, published: bool = True
) -> dict[str, int]:
    """The same as this connection sees the database, in a transaction of its caller's."""
    heads = await connection.fetch("SELECT * FROM events.merchants")
    events = await connection.fetch(EVENTS)
    claims = await connection.fetch("SELECT * FROM events.email_claims")
    histories = await connection.fetch(HISTORIES)
    none = [
        LOST_OUTBOX_ROWS,
        LOST_IDEMPOTENCY_KEYS,
        LOST_DATA_KEYS,
        KEYS_DESTROYED_OTHERWISE,
        KEYS_OF_ERASED_CUSTOMERS,
        SNAPSHOTS_OF_ERASED_CUSTOMERS,
    ]
    for query in none if published else [*none, NOT_IN_OUTBOX]:
        assert await connection.fetch(query) == []
    check_chains(heads, events)
    check_versions(events)
    check_claims(claims, histories)
    if master_keys is not None:
        check_emails(claims, histories, master_keys)
    return dict(Counter(event["merchant_id"] for event in events))


def check_chains(heads: Iterable[Any], events: Rows) -> None:
    """Positions without gap or duplicate, times that rise, hashes that follow, heads at the end (I3, I6)."""
    ledgers = defaultdict(list)
    for event in events:
        ledgers[event["merchant_id"]].append(event)
    known = {head["id"]: head for head in heads}
    assert set(ledgers) <= set(known), "events of a merchant that is not there"
    for merchant_id, head in known.items():
        position, moment, digest = 0, 0, first_hash(merchant_id)
        for event in ledgers[merchant_id]:
            place = f"{merchant_id} position {event['position']}"
            assert event["position"] == position + 1, f"{place} follows {position}"
            assert event["recorded_at"] > moment, f"{place} is not later than the one before"
            digest = next_hash(digest, leaf_of(event))
            assert event["hash"] == digest, f"{place} has another hash than its chain"
            position, moment = event["position"], event["recorded_at"]
        assert (head["position"], head["recorded_at"], head["hash"]) == (position, moment, digest), (
            merchant_id
        )


def leaf_of(event: Any) -> bytes:
    """The leaf of an event's row."""
    return leaf_hash(
        event["position"],
        event["recorded_at"],
        event["originator_id"],
        event["originator_version"],
        event["topic"],
        event["metadata"],
        event["state"],
    )


def check_versions(events: Rows) -> None:
    """A customer's versions count from 1 in the order of its positions, and nothing follows its end (I3)."""
    versions: Counter[tuple[str, str]] = Counter()
    ended: dict[tuple[str, str], str] = {}
    for event in events:
        customer = event["merchant_id"], event["originator_id"]
        versions[customer] += 1
        assert event["originator_version"] == versions[customer], f"{customer}: {event['originator_version']}"
        end = ended.get(customer)
        is_erased_now = end == "CustomerDeleted" and event["topic"] == "CustomerErased"
        assert end is None or is_erased_now, f"{customer} changed after its end"
        if event["topic"] in ENDS:
            ended[customer] = event["topic"]


def check_claims(claims: Rows, histories: Rows) -> None:
    """Nobody claims two emails, and whoever claims one is a live customer (I8, as far as it shows)."""
    last_topics = {(row["merchant_id"], row["originator_id"]): row["topic"] for row in histories}
    claimants = Counter((claim["merchant_id"], claim["customer_id"]) for claim in claims)
    for customer, count in claimants.items():
        assert count == 1, f"{customer} claims {count} emails"
        assert customer in last_topics, f"{customer} claims an email and is not there"
        assert last_topics[customer] not in ENDS, f"{customer} is no more and claims an email"


def check_emails(claims: Rows, histories: Rows, master_keys: MasterKeys) -> None:
    """The claims are exactly the folded emails of the live customers, and every event opens (I8)."""
    expected: dict[tuple[str, str], str] = {}
    for (merchant_id, customer_id), group in groupby(
        histories, lambda row: (row["merchant_id"], row["originator_id"])
    ):
        rows = list(group)
        if rows[0]["wrapped_key"] is None:
            continue  # erased
        data_key = master_keys.unwrap(
            rows[0]["wrapped_key"], rows[0]["master_version"], merchant_id, customer_id
        )
        customer = fold(customer_id, rows, data_key)
        assert customer is not None
        if not customer.deleted:
            address = merchant_id, email_key(customer.values["email"])
            assert address not in expected, f"{customer_id} and {expected[address]} have one email"
            expected[address] = customer_id
    assert {(c["merchant_id"], c["email_key"]): c["customer_id"] for c in claims} == expected
