"""The subscriber's file beside a service that is well: everything once, in order, acknowledged when done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from deploy.subscriber import customer_events
from events.wire.message import STREAM
from projections.delivery import Delivery
from tests.support.databases import TestDatabase
from tests.support.nats_servers import raw_jetstream
from tests.support.relaying import own_nats, read_stream
from tests.support.subscriber import Publisher, has_logged, positions, publishing, take, vanish


@pytest_asyncio.fixture
async def publisher(database: TestDatabase) -> AsyncIterator[Publisher]:
    with own_nats() as server:
        async with publishing(database, server) as made:
            yield made


def headers_of(delivery: Delivery) -> dict[str, str]:
    """Those of the event, without those of the batch that it was published in."""
    return {name: value for name, value in delivery.headers.items() if name.startswith("ce-")}


async def test_a_merchants_events_come_in_order_with_all_that_they_tell(publisher: Publisher) -> None:
    (customer_id,) = await publisher.create()
    await publisher.client.patch(customer_id, name="Jane")
    await publisher.client.delete(customer_id)
    async with publisher.subscriber() as events:
        created, updated, deleted = await take(events, 3)
    assert positions([created, updated, deleted]) == [1, 2, 3]
    assert created.type == "customer.created"
    assert (created.customer_id, created.version, created.epoch) == (customer_id, 1, 1)
    assert created.data["name"] == "John Doe"
    assert created.previous_hash != created.hash == updated.previous_hash
    assert updated.type == "customer.updated"
    assert updated.data["name"] == "Jane"
    assert updated.previous_attributes == {"name": "John Doe"}
    assert updated.timestamp > created.timestamp
    assert updated.actor == created.actor is not None
    assert deleted.type == "customer.deleted"
    assert deleted.data == {"id": customer_id, "object": "customer", "deleted": True}
    assert not any(event.partial for event in (created, updated, deleted))


async def test_what_happens_later_comes_when_it_happens(publisher: Publisher) -> None:
    async with publisher.subscriber() as events:
        for position in (1, 2, 3):
            await publisher.create()
            (event,) = await take(events, 1)
            assert event.position == position


async def test_another_merchants_events_are_not_told(publisher: Publisher) -> None:
    others = await publisher.of_new_merchant()
    await others.create(2)
    await publisher.create()
    await others.create()
    await publisher.create()
    async with publisher.subscriber() as events, others.subscriber(durable="others") as theirs:
        assert positions(await take(events, 2)) == [1, 2]
        assert positions(await take(theirs, 3)) == [1, 2, 3]


async def test_an_event_is_acknowledged_once_the_next_is_asked_for(publisher: Publisher) -> None:
    await publisher.create(3)
    await publisher.has_relayed()
    async with publisher.subscriber() as events:
        await take(events, 1)
        await publisher.has_acknowledged(0, waiting=3)
        await take(events, 1)
        await publisher.has_acknowledged(1, waiting=2)


async def test_the_last_event_is_acknowledged_at_a_clean_end(publisher: Publisher) -> None:
    await publisher.create(3)
    await publisher.has_relayed()
    async with publisher.subscriber(after=None) as events:
        async for event in events:
            if event.position == 2:
                break
    await publisher.has_acknowledged(2, waiting=1)
    async with publisher.subscriber(after=None) as events:
        assert positions(await take(events, 1)) == [3]


async def test_an_event_whose_body_failed_is_told_again_at_once(publisher: Publisher) -> None:
    await publisher.create(3)
    await publisher.has_relayed()

    async def fail_at_the_second() -> None:
        async with publisher.subscriber(after=None) as events:
            async for event in events:
                if event.position == 2:
                    raise ValueError("a body that fails")

    with pytest.raises(ValueError, match="a body that fails"):
        await fail_at_the_second()
    await publisher.has_acknowledged(1, waiting=2)
    async with asyncio.timeout(customer_events.ACK_SECONDS / 2), publisher.subscriber(after=None) as events:
        assert positions(await take(events, 2)) == [2, 3]


async def test_without_a_position_nothing_is_missed_that_a_killed_subscriber_had_pulled(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_events, "ACK_SECONDS", 1)
    await publisher.create(5)
    await publisher.has_relayed()
    killed = publisher.subscriber(after=None)
    await killed.__aenter__()
    await take(killed, 3)
    await publisher.has_acknowledged(2, waiting=3)
    await vanish(killed)
    await publisher.create(2)
    async with publisher.subscriber(after=None) as events:
        assert positions(await take(events, 5)) == [3, 4, 5, 6, 7]


async def test_it_goes_on_after_the_position_that_it_is_given(publisher: Publisher) -> None:
    await publisher.create(5)
    async with publisher.subscriber(after=3) as events:
        assert positions(await take(events, 2)) == [4, 5]
    async with publisher.subscriber(after=1) as events:  # older than what was acknowledged
        assert positions(await take(events, 4)) == [2, 3, 4, 5]


async def test_what_comes_twice_is_told_once(publisher: Publisher) -> None:
    await publisher.create(4)
    await publisher.has_relayed()
    await publisher.stop("relay")
    stream = await read_stream(publisher.nats.url)
    async with raw_jetstream(publisher.nats.url) as raw:
        for one in stream * 2:
            await raw.publish(one.subject, one.body, headers=headers_of(one))
    await publisher.start_relay()
    async with publisher.subscriber() as events:
        told = await take(events, 4)
        await publisher.create()
        told += await take(events, 1)
    assert positions(told) == [1, 2, 3, 4, 5]


async def test_a_gap_is_filled_from_the_feed(publisher: Publisher) -> None:
    await publisher.create(6)
    await publisher.has_relayed()
    async with raw_jetstream(publisher.nats.url) as raw:
        for sequence in (1, 3, 4):
            await raw.delete_msg(STREAM, sequence)
    async with publisher.subscriber() as events:
        told = await take(events, 6)
    assert positions(told) == [1, 2, 3, 4, 5, 6]
    assert [event.data["email"] for event in told] == [f"{number}@example.com" for number in range(1, 7)]
    assert all(event.epoch == 1 for event in told)


async def test_of_who_was_erased_there_are_ids_and_the_erasure(publisher: Publisher) -> None:
    ids = await publisher.create(3)
    await publisher.client.patch(ids[1], name="Jane")
    await publisher.erase(ids[1])
    await publisher.has_relayed()
    async with publisher.subscriber() as events:
        told = await take(events, 5)
    assert positions(told) == [1, 2, 3, 4, 5]
    assert [event.partial for event in told] == [False, True, False, True, False]
    assert told[3].data == {"id": ids[1], "object": "customer"}
    assert (told[4].type, told[4].data) == (
        "customer.erased",
        {"id": ids[1], "object": "customer", "deleted": True},
    )


@pytest.mark.parametrize(
    "body",
    [b"\xff", b"[]", b"{}", b"null", b'{"event": 1, "data": []}', b"[" * 100_000, b'{"position": true}'],
    ids=["no text", "list", "empty", "null", "wrong types", "deep", "no position"],
)
@pytest.mark.parametrize("headed", [False, True], ids=["bare", "with headers"])
async def test_what_is_no_event_of_ours_is_logged_and_skipped(
    publisher: Publisher, caplog: pytest.LogCaptureFixture, body: bytes, headed: bool
) -> None:
    await publisher.create(2)
    await publisher.has_relayed()
    await publisher.stop("relay")
    (first, second) = await read_stream(publisher.nats.url)
    async with raw_jetstream(publisher.nats.url) as raw:
        await raw.purge_stream(STREAM)
        await raw.publish(first.subject, body, headers=headers_of(first) if headed else {})
        await raw.publish(second.subject, second.body, headers=headers_of(second))
    async with publisher.subscriber() as events:
        assert positions(await take(events, 2)) == [1, 2]
    assert [one.levelno for one in caplog.records if "no event of ours" in one.message] == [logging.ERROR]


async def test_a_message_that_the_ledger_does_not_have_is_skipped(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    await publisher.create(2)
    await publisher.has_relayed()
    await publisher.stop("relay")
    one = (await read_stream(publisher.nats.url))[1]
    body = orjson.dumps(orjson.loads(one.body) | {"position": 7})
    headers = headers_of(one) | {"ce-sequence": f"{7:020}"}
    async with raw_jetstream(publisher.nats.url) as raw:
        await raw.publish(one.subject, body, headers=headers)
    async with publisher.subscriber() as events:
        assert positions(await take(events, 2)) == [1, 2]
        following = asyncio.create_task(take(events, 1))
        await has_logged(caplog, "position 7 is in NATS and not in the ledger")
        await publisher.create()
        await publisher.start_relay()
        assert positions(await following) == [3]


async def test_kinds_of_events_that_are_not_known_yet_are_left_out(publisher: Publisher) -> None:
    await publisher.create(2)
    await publisher.has_relayed()
    await publisher.stop("relay")
    first, second = await read_stream(publisher.nats.url)
    body = orjson.dumps(orjson.loads(first.body) | {"event": "customer.merged"})
    async with raw_jetstream(publisher.nats.url) as raw:
        await raw.purge_stream(STREAM)
        for one, content in ((first, body), (second, second.body)):
            await raw.publish(one.subject, content, headers=headers_of(one))
    async with publisher.subscriber() as events:
        assert positions(await take(events, 1)) == [2]
