"""An erased customer in the read model: a tombstone, whatever comes late or was parked (F40)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from events.customer import Customer
from events.wire.message import subject_of
from projections import customers
from projections.customers import apply_messages, forget_customer
from projections.delivery import Delivery
from projections.parking import list_parked, park, park_customer
from tests.support.cases import ACME, JOHN
from tests.support.read_models import check_read_model, read_model
from tests.support.relaying import Relaying, own_nats
from tests.support.store import C1, C2, M1, M2, Store
from tests.support.sweeping import sweep

LAST = 5
"""The version that erases C1."""


class Forgetting:
    """A store and its messages as they were before C1 was erased, and are since."""

    def __init__(self, store: Store, before: list[Delivery], since: list[Delivery]) -> None:
        self.store = store
        self.before = before
        self.since = since

    async def apply(self, deliveries: Sequence[Delivery]) -> None:
        """One batch."""
        async with self.store.database.transaction() as transaction:
            await apply_messages(transaction, deliveries, self.store.master_keys)

    async def forget(self, customer_id: str = C1) -> None:
        """What the transaction of the erasure does here."""
        customer = (await self.store.load(customer_id)).customer
        assert isinstance(customer, Customer)
        async with self.store.database.transaction() as transaction:
            await forget_customer(transaction, customer)

    async def is_forgotten(self) -> bool:
        """Whether the row is C1's tombstone."""
        row = (await read_model(self.store.admin_url))[M1, C1]
        return row.deleted and b"name" not in row.body

    async def check(self) -> None:
        """Assert that the rows are what the events amount to, and C1's the tombstone of its last version."""
        assert await check_read_model(self.store.admin_url, self.store.master_keys) == 3
        assert (await read_model(self.store.admin_url))[M1, C1].version == LAST


@pytest_asyncio.fixture
async def forgetting(store: Store) -> AsyncIterator[Forgetting]:
    await store.create(C1, ACME)
    await store.create(C2, JOHN)
    await store.create(C1, ACME, M2)
    for number in range(3):
        await store.update(C1, name=f"Name {number}")
    with own_nats() as server:
        relaying = Relaying(store, server)
        await relaying.run()
        before = await relaying.stream()
        await store.erase(C1)
        await relaying.run()
        yield Forgetting(store, before, await relaying.check())


async def test_where_its_messages_are_missing_the_store_is_read(forgetting: Forgetting) -> None:
    await forgetting.apply(forgetting.since)
    assert await forgetting.is_forgotten()
    await forgetting.check()


async def test_messages_that_were_on_their_way_come_too_late(forgetting: Forgetting) -> None:
    await forgetting.apply(forgetting.before[:2])
    assert not await forgetting.is_forgotten()
    await forgetting.forget()
    await forgetting.apply(forgetting.before)
    assert await forgetting.is_forgotten()
    await forgetting.apply(forgetting.since)
    await forgetting.check()


async def test_the_row_is_there_before_anything_was_applied(forgetting: Forgetting) -> None:
    await forgetting.forget()
    assert await forgetting.is_forgotten()
    await forgetting.apply(forgetting.before)
    assert await forgetting.is_forgotten()
    await forgetting.apply(forgetting.since)
    await forgetting.check()


async def test_a_read_model_filled_again_never_has_an_empty_live_customer(
    forgetting: Forgetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customers, "PAGE", 2)
    while await sweep(forgetting.store.database, forgetting.store.master_keys):
        assert await forgetting.is_forgotten()
    await forgetting.check()


async def test_what_was_parked_of_it_goes_and_nothing_else(forgetting: Forgetting) -> None:
    bad = Delivery("CUSTOMERS", subject_of(M1, C1), 1, {}, b'{"data": {"name": "Jane Doe"}}')
    async with forgetting.store.database.transaction() as transaction:
        for delivery in (bad, bad._replace(subject=subject_of(M2, C1)), bad._replace(body=b"other")):
            await park(transaction, "customers", delivery, "bad")
        await park(transaction, "billing", bad._replace(stream="CHARGES", subject="charges.x"), "bad")
        for merchant_id, customer_id in ((M1, C1), (M1, C2), (M2, C1)):
            await park_customer(transaction, merchant_id, customer_id, "bad")
    await forgetting.forget()
    left = [
        (row.projection, row.delivery.subject, row.merchant_id, row.customer_id)
        for row in await list_parked(forgetting.store.database)
    ]
    assert left == [
        ("customers", subject_of(M2, C1), None, None),
        ("billing", "charges.x", None, None),
        ("customers", "", M1, C2),
        ("customers", "", M2, C1),
    ]
