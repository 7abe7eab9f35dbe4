"""The subscriber's file when a history changes: it goes on where that can be proved, else it says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from deploy.subscriber.customer_events import HistoryChanged
from service.embedded.nats import EmbeddedNats
from service.embedded.postgres import EmbeddedPostgres
from tests.support.databases import TestDatabase, fresh_database, run_sql
from tests.support.relaying import own_nats
from tests.support.subscriber import Publisher, positions, publishing, take

ANEW = "empty your copy and begin anew with after=0"


@pytest.fixture
def server() -> Iterator[EmbeddedNats]:
    with own_nats() as made:
        yield made


@pytest_asyncio.fixture
async def publisher(database: TestDatabase, server: EmbeddedNats) -> AsyncIterator[Publisher]:
    async with publishing(database, server) as made:
        yield made


async def begin_epoch(database: TestDatabase) -> None:
    await run_sql(database.admin_url, "UPDATE events.merchants SET epoch = epoch + 1")


async def test_a_new_epoch_in_which_nothing_was_lost_is_gone_on_with(publisher: Publisher) -> None:
    await publisher.create(2)
    async with publisher.subscriber() as events:
        told = await publisher.told_by_nats(events)
        await begin_epoch(publisher.database)
        while told[-1].epoch == 1:
            told += await publisher.told_by_nats(events)
    assert positions(told) == list(range(1, len(told) + 1))
    assert {event.epoch for event in told} == {1, 2}


async def test_whoever_kept_the_hash_too_goes_on_in_a_new_epoch_after_a_restart(publisher: Publisher) -> None:
    async with publisher.subscriber() as events:
        last = (await publisher.told_by_nats(events))[-1]
    await publisher.has_relayed()
    await begin_epoch(publisher.database)
    kept = {"after": last.position, "epoch": last.epoch, "hash": last.hash}
    async with publisher.subscriber(**kept) as events:
        following = asyncio.create_task(take(events, 1))
        await publisher.create()
        (event,) = await following
    assert (event.position, event.epoch) == (last.position + 1, 2)


async def test_whoever_kept_no_hash_begins_anew_in_a_new_epoch(publisher: Publisher) -> None:
    await publisher.create(2)
    await publisher.has_relayed()
    async with publisher.subscriber() as events:
        await take(events, 2)
    await publisher.has_acknowledged(2)
    await begin_epoch(publisher.database)
    await publisher.create()
    async with publisher.subscriber(after=2, epoch=1) as events:
        with pytest.raises(HistoryChanged, match=ANEW):
            await take(events, 1)
    async with publisher.subscriber() as events:  # begun anew
        told = await take(events, 3)
    assert positions(told) == [1, 2, 3]
    async with publisher.subscriber(after=2, epoch=told[1].epoch) as events:
        assert positions(await take(events, 1)) == [3]


async def test_by_the_feed_alone_a_new_epoch_is_another_history_once_it_has_an_event(
    publisher: Publisher,
) -> None:
    await asyncio.to_thread(publisher.nats.stop)
    await publisher.create(2)
    async with publisher.subscriber() as events:
        assert positions(await take(events, 2)) == [1, 2]
        await begin_epoch(publisher.database)
        await publisher.create()
        with pytest.raises(HistoryChanged, match=ANEW):
            await take(events, 1)


@pytest.mark.parametrize("since", [0, 1, 2, 4], ids="{} events since".format)
async def test_of_a_backup_that_was_restored_the_lost_events_are_noticed_and_all_is_told_anew(
    database: TestDatabase, server: EmbeddedNats, migrated_postgres: EmbeddedPostgres, since: int
) -> None:
    async with publishing(database, server) as before:
        await before.create(3)
        await before.has_relayed()
    async with fresh_database(migrated_postgres, database.name) as backup:
        async with publishing(database, server, like=before) as lost:
            await lost.create(2)
            async with lost.subscriber() as events:
                told = await take(events, 5)
        await begin_epoch(backup)
        async with publishing(backup, server, like=before) as restored:
            await restored.create(since)
            kept = {"after": 5, "epoch": told[-1].epoch, "hash": told[-1].hash}
            async with restored.subscriber(**kept) as events:
                with pytest.raises(HistoryChanged, match=ANEW):
                    await take(events, 1)
            async with restored.subscriber(durable="anew") as events:
                anew = await take(events, 3 + since)
    assert positions(anew) == list(range(1, 4 + since))
    assert [event.customer_id for event in anew[:3]] == [event.customer_id for event in told[:3]]
    assert not {event.customer_id for event in anew[3:]} & {event.customer_id for event in told}
    assert {event.epoch for event in anew} == {2}
