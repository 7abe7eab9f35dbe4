"""A stock application of the `eventsourcing` library replays our customers, through its PostgreSQL recorder.

In: what the store wrote. Out: the same customers, through the library alone: its recorder, mapper, repository
and notification log. Of ours it has the aggregate and the transcodings.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.persistence import JSONTranscoder

from events.customer import Customer
from events.mapper import register_transcodings
from events.sealing import DataKey
from events.store import SNAPSHOT_EVERY
from tests.support.cases import ACME, JOHN
from tests.support.databases import TestDatabase
from tests.support.serve import comes_about
from tests.support.store import C1, C2, C3, M2, Store

CHANGES = 130


class CustomerApplication(Application[str]):
    """All there is to it."""

    name = "customer"
    log_section_size = 2 * CHANGES

    def __init__(self, env: dict[str, str], keys: dict[tuple[str, str], DataKey]) -> None:
        self._keys = keys
        super().__init__(env)

    def register_transcodings(self, transcoder: JSONTranscoder) -> None:
        """As a stock application registers what its events hold."""
        register_transcodings(
            transcoder, lambda merchant_id, customer_id: self._keys[merchant_id, customer_id]
        )


def environment(database: TestDatabase, *, snapshots: bool) -> dict[str, str]:
    """The library's variables for this database and the application's role."""
    url = urlsplit(database.url)
    where = parse_qs(url.query)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": url.path.removeprefix("/"),
        "POSTGRES_HOST": where["host"][0],
        "POSTGRES_PORT": where["port"][0],
        "POSTGRES_USER": url.username or "",
        "POSTGRES_PASSWORD": "not asked for on this socket",
        "POSTGRES_SCHEMA": "events",
        "ORIGINATOR_ID_TYPE": "text",
        "CREATE_TABLE": "no",
        "IS_SNAPSHOTTING_ENABLED": "yes" if snapshots else "no",
    }


@pytest_asyncio.fixture
async def history(store: Store) -> AsyncIterator[Store]:
    """Three customers: one with a long life, one deleted, one of another merchant."""
    await store.create(C1, ACME)
    await store.create(C2, JOHN)
    await store.create(C3, JOHN, M2)
    for number in range(CHANGES):
        await store.update(C1, name=f"Jane {number}", phone=None if number % 2 else "+1234567890")
    await store.update(C1, address=None, metadata={"tier": "silver", "_type_": "kept as it is"})
    await store.delete(C2)
    yield store


@pytest.fixture(params=[False, True], ids=["from events", "from a snapshot"])
def application(request: pytest.FixtureRequest, ledgers: TestDatabase) -> Iterator[CustomerApplication]:
    """The stock application; a test puts the data keys in."""
    with CustomerApplication(environment(ledgers, snapshots=request.param), {}) as made:
        yield made


async def loaded(
    store: Store, application: CustomerApplication, customer_id: str, *merchant: str, **wanted: Any
) -> Customer:
    """The customer as the store loads it; its data key goes to the application."""
    found = await store.load(customer_id, *merchant, **wanted)
    assert found.customer is not None
    assert found.data_key is not None
    application._keys[found.customer.merchant_id, customer_id] = found.data_key
    return found.customer


async def replayed(
    application: CustomerApplication, customer_id: str, version: int | None = None
) -> Customer:
    """The customer as the library replays it."""
    customer: Customer = await asyncio.to_thread(application.repository.get, customer_id, version=version)
    return customer


def state(customer: Customer) -> dict[str, object]:
    """All of a customer but its times: the ledger's are not in the events' state."""
    return {
        name: value for name, value in vars(customer).items() if name not in {"_created_on", "_modified_on"}
    }


async def snapshot_kept(store: Store) -> bool:
    return bool(await store.select("SELECT FROM events.customer_snapshots"))


async def test_it_replays_every_customer_as_the_store_loads_it(
    history: Store, application: CustomerApplication
) -> None:
    await comes_about(lambda: snapshot_kept(history))
    for customer_id, merchant in ((C1, ()), (C2, ()), (C3, (M2,))):
        ours = await loaded(history, application, customer_id, *merchant)
        theirs = await replayed(application, customer_id)
        assert isinstance(theirs, Customer)
        assert state(theirs) == state(ours)
    assert (await replayed(application, C2)).deleted


async def test_it_replays_a_customer_as_of_any_version(
    history: Store, application: CustomerApplication
) -> None:
    await loaded(history, application, C1)
    for version in (1, 2, 99, 101, CHANGES + 2):
        ours = (await history.load(C1, last_version=version)).customer
        theirs = await replayed(application, C1, version)
        assert ours is not None
        assert state(theirs) == state(ours)


async def test_it_replays_an_erased_customer_as_a_tombstone_as_of_any_version(
    history: Store, application: CustomerApplication
) -> None:
    await comes_about(lambda: snapshot_kept(history))
    await history.erase(C1)
    for version in (None, 1, 101, CHANGES + 3):
        wanted = {} if version is None else {"last_version": version}
        ours = await loaded(history, application, C1, **wanted)
        theirs = await replayed(application, C1, version)
        assert (theirs.deleted, theirs.erased) == (True, True)
        assert state(theirs) == state(ours)


async def test_its_notification_log_is_the_order_of_our_ledgers(
    history: Store, application: CustomerApplication
) -> None:
    log = await asyncio.to_thread(application.notification_log.select, 1, 2 * CHANGES)
    rows = await history.select(
        "SELECT originator_id, originator_version FROM events.customer_events ORDER BY notification_id"
    )
    assert [(seen.originator_id, seen.originator_version) for seen in log] == [tuple(row) for row in rows]
    assert len(rows) == CHANGES + 5


async def test_it_has_no_customer_that_we_have_not(history: Store, application: CustomerApplication) -> None:
    with pytest.raises(AggregateNotFoundError):
        await replayed(application, "cus_nobody")


async def test_it_reads_our_snapshots_as_its_own(history: Store, ledgers: TestDatabase) -> None:
    await comes_about(lambda: snapshot_kept(history))
    with CustomerApplication(environment(ledgers, snapshots=True), {}) as application:
        ours = await loaded(history, application, C1)
        snapshots = application.snapshots
        assert snapshots is not None
        (snapshot,) = await asyncio.to_thread(lambda: list(snapshots.get(C1)))
        assert isinstance(snapshot, Customer.Snapshot)
        assert snapshot.originator_version == SNAPSHOT_EVERY
        assert state(await replayed(application, C1)) == state(ours)
