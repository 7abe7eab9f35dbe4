"""The customers read model from messages: any order, any number of times, gaps, phantoms (F12, F21, F23)."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence

import orjson
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from events.database import Database
from events.errors import StoreBusy
from projections.customers import apply_messages, retry_customer
from projections.delivery import Delivery
from projections.parking import ParkedRow, list_parked, retry
from tests.support.cases import ACME, JOHN
from tests.support.databases import TestDatabase, run_sql
from tests.support.read_models import check_read_model, read_model
from tests.support.relaying import Relaying, own_nats
from tests.support.store import C1, C2, M1, M2, Store, connected, customer_id
from tests.support.sweeping import sweep


class Projecting:
    """A store, its messages, and the read model under test."""

    def __init__(self, relaying: Relaying, database: Database, admin_url: str) -> None:
        self.store = relaying.store
        self.database = database
        self.admin_url = admin_url
        self._relaying = relaying

    async def messages(self) -> list[Delivery]:
        """Every event's message, in order."""
        await self._relaying.run()
        return await self._relaying.stream()

    async def apply(self, deliveries: Sequence[Delivery]) -> None:
        """One batch."""
        async with self.database.transaction() as transaction:
            await apply_messages(transaction, deliveries, self.store.master_keys)

    async def check(self) -> int:
        """Assert that the rows are what the events amount to; how many."""
        return await check_read_model(self.admin_url, self.store.master_keys)


@pytest_asyncio.fixture
async def projecting(store: Store, ledgers: TestDatabase) -> AsyncIterator[Projecting]:
    with own_nats() as server:
        async with Database.connect(ledgers.url) as database:
            yield Projecting(Relaying(store, server), database, ledgers.admin_url)


async def some_history(store: Store) -> None:
    await store.create(C1, JOHN)
    await store.create(C2, ACME)
    await store.create(C1, ACME, M2)
    for number in range(5):
        await store.update(C1, name=f"Name {number}")
    await store.update(C1, M2, metadata={"tier": "tin"})
    await store.delete(C2)


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_messages_in_order_make_the_rows(projecting: Projecting, size: int) -> None:
    await some_history(projecting.store)
    messages = await projecting.messages()
    for first in range(0, len(messages), size):
        await projecting.apply(messages[first : first + size])
    assert await projecting.check() == 3
    assert await sweep(projecting.database, projecting.store.master_keys) == 0


@pytest.mark.parametrize("seed", range(5))
async def test_messages_five_times_in_any_order_make_the_same_rows(projecting: Projecting, seed: int) -> None:
    await some_history(projecting.store)
    messages = 5 * await projecting.messages()
    random.Random(seed).shuffle(messages)
    for first in range(0, len(messages), 4):
        await projecting.apply(messages[first : first + 4])
    assert await projecting.check() == 3


async def test_after_a_gap_the_store_is_read_instead(projecting: Projecting) -> None:
    await some_history(projecting.store)
    messages = await projecting.messages()
    await projecting.apply(messages[:2])
    await projecting.apply(messages[-1:])
    assert (await read_model(projecting.admin_url))[M1, C2].deleted
    await projecting.apply(messages[4:5])
    await sweep(projecting.database, projecting.store.master_keys)
    assert await projecting.check() == 3


async def test_a_message_of_an_event_that_the_store_lost_is_never_applied(projecting: Projecting) -> None:
    store = projecting.store
    await store.create(C1, JOHN)
    true = (await projecting.messages())[0]
    told = orjson.loads(true.body)
    false = true._replace(
        body=orjson.dumps(told | {"data": told["data"] | {"name": "Phantom"}}),
        headers={**true.headers, "ce-hash": "00" * 32},
    )
    await projecting.apply([false])
    assert b"Phantom" not in (await read_model(projecting.admin_url))[M1, C1].body
    await projecting.apply([true, false])
    assert await projecting.check() == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"data":{}}', b'{"data":{"id":"x","email":"y"}}', b"\xff"]
)
async def test_a_message_that_says_nothing_usable_is_replaced_by_the_store(
    projecting: Projecting, body: bytes
) -> None:
    await some_history(projecting.store)
    messages = await projecting.messages()
    await projecting.apply([message._replace(body=body) for message in messages])
    assert await projecting.check() == 3


async def test_a_message_of_an_unknown_merchant_changes_nothing(projecting: Projecting) -> None:
    await some_history(projecting.store)
    messages = await projecting.messages()
    foreign = [one._replace(subject=f"customers.v1.mer_nobody.{C1}") for one in messages]
    await projecting.apply(foreign)
    assert await read_model(projecting.admin_url) == {}


async def test_a_history_that_the_store_never_had_raises_an_alarm_and_stops_only_its_merchant(
    projecting: Projecting,
) -> None:
    await some_history(projecting.store)
    messages = await projecting.messages()
    await projecting.apply(messages[:1])
    elsewhere = f"UPDATE projections.progress SET hash = sha256('x') WHERE merchant_id = '{M1}'"
    await run_sql(projecting.admin_url, elsewhere)
    with capture_logs() as logs:
        await projecting.apply(messages)
    assert [line["event"] for line in logs if line["log_level"] == "critical"] == ["history_diverged"]
    rows = await read_model(projecting.admin_url)
    assert rows[M1, C1].version == 1
    assert rows[M2, C1].version == 2


async def test_a_customer_that_cannot_be_read_is_parked_and_stops_nobody_else(
    projecting: Projecting,
) -> None:
    store, keys = projecting.store, projecting.store.master_keys
    await some_history(store)
    hide = f"UPDATE events.customer_keys SET customer_id = 'hidden' WHERE customer_id = '{C1}'"
    await run_sql(projecting.admin_url, hide)
    while await sweep(projecting.database, keys):
        pass
    parked = await list_parked(projecting.database)
    assert {(one.merchant_id, one.customer_id) for one in parked} == {(M1, C1), (M2, C1)}
    assert set(await read_model(projecting.admin_url)) == {(M1, C2)}
    await store.create(customer_id(9), JOHN | {"email": "9@example.com"})
    assert await sweep(projecting.database, keys) == 1
    await run_sql(
        projecting.admin_url,
        f"UPDATE events.customer_keys SET customer_id = '{C1}' WHERE customer_id = 'hidden'",
    )

    async def again(transaction: Database.Transaction, row: object) -> None:
        await retry_customer(transaction, row, keys)  # type: ignore[arg-type]

    for one in parked:
        assert await retry(projecting.database, one, {"customers": again}) is None
    assert await projecting.check() == 4


async def test_a_retry_waits_for_a_worker_that_applies_the_same_merchant_s_events(
    projecting: Projecting,
) -> None:
    await projecting.store.create(C1, JOHN)
    await sweep(projecting.database, projecting.store.master_keys)
    row = ParkedRow(1, "customers", "parked", Delivery("", "", 0, {}, b""), M1, C1, "", 1, 0)
    async with connected(projecting.admin_url) as worker, worker.transaction():
        await worker.execute("SELECT FROM projections.progress FOR UPDATE")
        with pytest.raises(StoreBusy):
            async with projecting.database.transaction() as transaction:
                await retry_customer(transaction, row, projecting.store.master_keys)
