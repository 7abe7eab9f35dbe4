"""The subscriber's file beside a service that is well: everything once, in order, acknowledged when done."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.databases import TestDatabase
from tests.support.relaying import own_nats
from tests.support.subscribing import Publisher, positions, publishing, take


@pytest_asyncio.fixture
async def publisher(database: TestDatabase) -> AsyncIterator[Publisher]:
    with own_nats() as server:
        async with publishing(database, server) as made:
            yield made


async def test_a_merchants_events_come_in_order_with_all_that_they_tell(publisher: Publisher) -> None:
    (customer_id,) = await publisher.create()
    await publisher.client.patch(customer_id, name="Jane")
    await publisher.client.delete(customer_id)
    async with publisher.subscriber() as events:
        created, updated, deleted = await take(events, 3)
    assert positions([created, updated, deleted]) == [1, 2, 3]
    assert [created.type, updated.type, deleted.type] == [
        "customer.created",
        "customer.updated",
        "customer.deleted",
    ]
    assert (created.customer_id, created.version, created.epoch) == (customer_id, 1, 1)
    assert created.data["name"] == "John Doe"
    assert updated.data["name"] == "Jane"
    assert updated.previous_attributes == {"name": "John Doe"}
    assert deleted.data == {"id": customer_id, "object": "customer", "deleted": True}
    assert created.hash == updated.previous_hash


async def test_an_event_is_acknowledged_once_the_next_is_asked_for(publisher: Publisher) -> None:
    await publisher.create(3)
    await publisher.has_relayed()
    async with publisher.subscriber() as events:
        await take(events, 1)
        await publisher.has_acknowledged(0, waiting=3)
        await take(events, 1)
        await publisher.has_acknowledged(1, waiting=2)
    await publisher.has_acknowledged(2)
