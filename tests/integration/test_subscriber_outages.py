"""The subscriber's file while NATS or the API is away, loses something, hangs, or refuses."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.subscriber import customer_events
from deploy.subscriber.customer_events import HistoryChanged, Refused
from events.wire.message import STREAM
from tests.support.databases import TestDatabase
from tests.support.nats_servers import raw_jetstream
from tests.support.relaying import own_nats
from tests.support.serve import comes_about
from tests.support.subscriber import PATIENCE, Publisher, has_logged, positions, publishing, take

AWAY = "going on from the feed"
BACK = "reading from NATS"


@pytest_asyncio.fixture
async def publisher(database: TestDatabase) -> AsyncIterator[Publisher]:
    with own_nats() as server:
        async with publishing(database, server) as made:
            yield made


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "customer_events")
    return caplog


async def test_without_nats_events_come_from_the_feed_until_it_is_there(
    publisher: Publisher, logged: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(publisher.nats.stop)
    await publisher.create(2)
    async with publisher.subscriber() as events:
        told = await take(events, 2)
        waiting = asyncio.create_task(take(events, 1))
        await publisher.create()
        told += await waiting
        assert [event.hash for event in told] == ["", "", ""]
        await asyncio.to_thread(publisher.nats.start)
        await has_logged(logged, BACK)
        told += await publisher.told_by_nats(events)
    assert positions(told) == list(range(1, len(told) + 1))
    assert AWAY in logged.text


async def test_nats_killed_and_started_again_is_hardly_noticed(
    publisher: Publisher, logged: pytest.LogCaptureFixture
) -> None:
    await publisher.create(2)
    async with publisher.subscriber() as events:
        told = await publisher.told_by_nats(events)
        for times in (1, 2):
            publisher.nats_process().kill()
            await has_logged(logged, AWAY, times)
            await publisher.create(2)
            told += await take(events, 2)
            await asyncio.to_thread(publisher.nats.start)
            await has_logged(logged, BACK, times + 1)
            told += await publisher.told_by_nats(events)
    assert positions(told) == list(range(1, len(told) + 1))


async def test_nats_that_hangs_is_left_for_the_feed(
    publisher: Publisher, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_events, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(customer_events, "SILENCE_SECONDS", 0.6)
    monkeypatch.setattr(customer_events, "ANSWER_SECONDS", 0.5)
    await publisher.create()
    async with publisher.subscriber() as events:
        told = await publisher.told_by_nats(events)
        publisher.nats_process().send_signal(signal.SIGSTOP)
        try:
            told += await publisher.told_by_the_feed(events)
            while "nothing is heard any more" not in logged.text:
                await publisher.create()
                told += await take(events, 1)
        finally:
            publisher.nats_process().send_signal(signal.SIGCONT)
        told += await publisher.told_by_nats(events)
    assert positions(told) == list(range(1, len(told) + 1))


async def test_a_consumer_that_is_deleted_is_made_again(publisher: Publisher) -> None:
    await publisher.create(3)
    async with publisher.subscriber() as events:
        told = await publisher.told_by_nats(events)
        async with raw_jetstream(publisher.nats.url) as raw:
            await raw.delete_consumer(STREAM, "crm")
        told += await publisher.told_by_nats(events)
    assert positions(told) == list(range(1, len(told) + 1))


@pytest.mark.parametrize("after", [0, None])
async def test_a_stream_that_is_deleted_and_filled_again_is_known(
    publisher: Publisher, after: int | None
) -> None:
    await publisher.create(3)
    async with publisher.subscriber(after=after) as events:
        told = await publisher.told_by_nats(events)
        async with raw_jetstream(publisher.nats.url) as raw:
            await raw.delete_stream(STREAM)
        await publisher.create(2)
        told += await take(events, 2)
        told += await publisher.told_by_nats(events)
    assert positions(told) == list(range(1, len(told) + 1))


async def test_of_a_nats_that_was_wiped_only_news_are_told(publisher: Publisher) -> None:
    await publisher.create(3)
    async with publisher.subscriber() as events:
        told = await publisher.told_by_nats(events)
        await asyncio.to_thread(publisher.nats.stop)
        shutil.rmtree(publisher.nats.data)
        await asyncio.to_thread(publisher.nats.start)
        told += await publisher.told_by_nats(events)
    assert positions(told) == list(range(1, len(told) + 1))
    position = told[-1].position
    await publisher.create(2)
    async with publisher.subscriber(after=position) as events:
        assert positions(await take(events, 2)) == [position + 1, position + 2]
    async with publisher.subscriber(after=None, durable="new") as events:
        assert positions(await take(events, 2)) == [1, 2]


async def test_a_lost_tail_of_the_stream_is_not_told_again_and_nothing_is_missed(
    publisher: Publisher,
) -> None:
    await publisher.create(3)
    async with publisher.subscriber() as events:
        told = await publisher.told_by_nats(events)
        server = publisher.nats
        await publisher.has_relayed()
        await asyncio.to_thread(server.stop)
        older = server.directory / "older"
        shutil.copytree(server.data, older)
        await asyncio.to_thread(server.start)
        await publisher.create(4)
        told += await take(events, 4)
        await publisher.has_relayed()
        await asyncio.to_thread(server.stop)
        shutil.rmtree(server.data)
        older.rename(server.data)
        await asyncio.to_thread(server.start)
        await publisher.create(2)
        told += await take(events, 2)
        told += await publisher.told_by_nats(events)
    assert positions(told) == list(range(1, len(told) + 1))


async def test_a_gap_waits_for_the_api(publisher: Publisher, logged: pytest.LogCaptureFixture) -> None:
    await publisher.create(4)
    await publisher.has_relayed()
    async with raw_jetstream(publisher.nats.url) as raw:
        await raw.delete_msg(STREAM, 3)
    await publisher.stop("api")
    async with publisher.subscriber() as events:
        told = await take(events, 2)
        waiting = asyncio.create_task(take(events, 2))
        await has_logged(logged, "the feed is away")
        assert not waiting.done()
        await publisher.start_api()
        told += await waiting
    assert positions(told) == [1, 2, 3, 4]


async def test_with_both_away_it_waits_for_either(
    publisher: Publisher, logged: pytest.LogCaptureFixture
) -> None:
    await publisher.create(2)
    await publisher.has_relayed()
    await asyncio.to_thread(publisher.nats.stop)
    await publisher.stop("api")
    async with publisher.subscriber() as events:
        waiting = asyncio.create_task(take(events, 2))
        await has_logged(logged, "the feed is away")
        await asyncio.to_thread(publisher.nats.start)
        assert positions(await waiting) == [1, 2]


async def test_an_event_that_never_reaches_nats_is_taken_from_the_feed(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_events, "LAST_IDLE", 0.5)
    await publisher.create()
    async with publisher.subscriber() as events:
        told = await publisher.told_by_nats(events)
        await publisher.stop("relay")
        await publisher.create(2)
        told += await take(events, 2)
        await publisher.start_relay()
        told += await publisher.told_by_nats(events)
    assert positions(told) == list(range(1, len(told) + 1))


async def test_a_body_that_takes_longer_than_nats_waits_is_told_nothing_twice(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_events, "ACK_SECONDS", 0.2)
    monkeypatch.setattr(customer_events, "PREFETCH", 8)
    await publisher.create(9)
    await publisher.has_relayed()
    async with publisher.subscriber() as events:
        told = await take(events, 5)  # and asked for more

        async def has_redelivered() -> bool:
            return await publisher.redelivered() > 0

        await comes_about(has_redelivered, PATIENCE, "a second delivery")
        told += await take(events, 4)
    assert positions(told) == list(range(1, 10))


async def test_being_cancelled_while_it_waits_loses_nothing(publisher: Publisher) -> None:
    told = []
    async with publisher.subscriber() as events:
        for number in range(30):
            if number % 3 == 0:
                await publisher.create()
            try:
                async with asyncio.timeout(0.001 * (number % 7)):
                    told.append(await anext(events))
            except TimeoutError:
                continue
        told += await take(events, 10 - len(told))
    assert positions(told) == list(range(1, 11))


async def test_it_ends_at_once_when_its_task_is_cancelled(publisher: Publisher) -> None:
    await publisher.create()
    told = asyncio.Event()

    async def follow() -> None:
        async with publisher.subscriber() as events:
            async for _ in events:
                told.set()

    following = asyncio.create_task(follow())
    await told.wait()
    following.cancel()
    async with asyncio.timeout(customer_events.ANSWER_SECONDS):
        await asyncio.wait([following])
    assert following.cancelled()


async def test_a_key_that_the_api_refuses_ends_it(publisher: Publisher) -> None:
    with pytest.raises(Refused, match="401"):
        async with publisher.subscriber(api_key="sk_test_wrong") as events:
            await anext(events)


async def test_a_key_of_another_merchant_is_noticed_before_its_events_are_mixed(publisher: Publisher) -> None:
    await publisher.create(3)
    others = await publisher.of_new_merchant()
    await others.create(3)
    await publisher.has_relayed()
    async with raw_jetstream(publisher.nats.url) as raw:
        await raw.delete_msg(STREAM, 2)
    async with publisher.subscriber(api_key=others.key) as events:
        assert positions(await take(events, 1)) == [1]
        with pytest.raises(Refused, match=f"the API key must be one of {publisher.merchant_id}"):
            await take(events, 1)


async def test_an_api_that_has_enough_of_it_is_asked_later(
    publisher: Publisher, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(publisher.nats.stop)
    monkeypatch.setattr(customer_events, "PAGE", 1)
    await publisher.create(5)
    _, key = await publisher.operator.key(publisher.merchant_id, rate_limit=1)
    monkeypatch.setattr(customer_events, "WAIT_SECONDS", 0)
    async with publisher.subscriber(api_key=key) as events:
        told = await take(events, 5)
        with pytest.raises(TimeoutError):
            await take(events, 1, seconds=0.1)
        await publisher.use_up(key)
        await publisher.create()
        told += await take(events, 1)
    assert positions(told) == [1, 2, 3, 4, 5, 6]
    assert "429" in logged.text


async def test_a_position_beyond_the_end_of_the_ledger_is_another_history(publisher: Publisher) -> None:
    await publisher.create(2)
    async with publisher.subscriber(after=3) as events:
        with pytest.raises(HistoryChanged, match="begin anew with after=0"):
            await take(events, 1)


async def test_names_that_are_no_tokens_of_subjects_are_refused(publisher: Publisher) -> None:
    for wrong in ({"durable": "a.b"}, {"merchant_id": "*"}, {"after": -1}, {"durable": ""}):
        with pytest.raises(ValueError, match="must"):
            publisher.subscriber(**wrong)


async def test_options_that_nats_does_not_know_are_told(publisher: Publisher) -> None:
    with pytest.raises(TypeError, match="colour"):
        async with publisher.subscriber(nats_options={"colour": "red"}) as events:
            await take(events, 1)


async def test_outside_of_a_block_nothing_is_read(publisher: Publisher) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await anext(publisher.subscriber())
