"""The stream's limits: what an operator sets, and that what it need not keep is not taken for lost (I4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from events.master_keys import MasterKeys
from events.queries import RECORDED_UNTIL
from events.stream.jetstream import JetStream
from events.stream.settings import StreamSettings
from events.wire.message import STREAM
from tests.support.auditing import forge
from tests.support.cases import JOHN
from tests.support.databases import TestDatabase
from tests.support.nats_servers import raw_jetstream
from tests.support.relaying import Relaying, own_nats
from tests.support.serve import comes_about, started
from tests.support.store import C1, C2, M1, M2, M3, Store, customer_id

SECOND = 1_000_000_000  # ns
DAY = 24 * 3600 * 1_000_000  # µs
AN_HOUR = StreamSettings(max_age_seconds=3600)


@pytest_asyncio.fixture
async def relaying(store: Store) -> AsyncIterator[Relaying]:
    with own_nats() as server:
        yield Relaying(store, server)


async def config(relaying: Relaying) -> dict[str, Any]:
    async with JetStream.connect(relaying.server.url) as stream:
        found = await stream.stream(STREAM)
    assert found is not None
    return dict(found.config)


async def write(store: Store, first: int, count: int, merchant: str = M1) -> None:
    for number in range(first, first + count):
        await store.create(customer_id(number), JOHN | {"email": f"{number}@example.com"}, merchant)


async def make_older(store: Store, what: str) -> None:
    """Have these events been recorded a day before they were."""
    await forge(store, f"UPDATE events.customer_events SET recorded_at = recorded_at - {DAY} WHERE {what}")


async def told(relaying: Relaying) -> list[tuple[str, int]]:
    """Merchants and positions, in the stream's order."""
    return [(one.subject.split(".")[2], int(one.headers["ce-sequence"])) for one in await relaying.stream()]


# What is set


async def test_without_a_wish_everything_is_kept(relaying: Relaying) -> None:
    await relaying.run()
    limits = ("max_age", "max_bytes", "max_msgs", "max_msgs_per_subject")
    made = await config(relaying)
    assert [made[limit] for limit in limits] == [0, -1, -1, -1]


async def test_a_new_stream_has_the_limits_that_are_set_and_one_that_is_there_gets_them(
    relaying: Relaying,
) -> None:
    for settings, limits in (
        (StreamSettings(max_age_seconds=60, max_bytes=10_000_000), (60 * SECOND, 10_000_000)),
        (StreamSettings(max_age_seconds=90), (90 * SECOND, 10_000_000)),
        (StreamSettings(), (90 * SECOND, 10_000_000)),
        (StreamSettings(max_age_seconds=0, max_bytes=0), (0, -1)),
    ):
        await relaying.run(settings=settings)
        made = await config(relaying)
        assert (made["max_age"], made["max_bytes"]) == limits


async def test_what_an_operator_set_by_hand_stays_as_it_is(relaying: Relaying) -> None:
    await relaying.run()
    by_hand = {
        **await config(relaying),
        "description": "ours",
        "max_msgs": 1_000_000,
        "compression": "s2",
        "duplicate_window": 30 * SECOND,
        "metadata": {"team": "billing"},
    }
    async with JetStream.connect(relaying.server.url) as stream:
        await stream.update_stream(by_hand)
    before = await config(relaying)
    await relaying.run()
    assert await config(relaying) == before
    await relaying.run(settings=AN_HOUR)
    assert await config(relaying) == before | {"max_age": 3600 * SECOND}
    assert before["metadata"]["team"] == "billing"


async def test_a_limit_that_the_server_refuses_is_told_and_stops_nobody(relaying: Relaying) -> None:
    await relaying.run()
    async with JetStream.connect(relaying.server.url) as stream:
        await stream.update_stream({**await config(relaying), "duplicate_window": 120 * SECOND})
    await write(relaying.store, 1, 3)
    with capture_logs() as logs:
        assert await relaying.run(settings=StreamSettings(max_age_seconds=60)) == 3
    (refused,) = [line for line in logs if line["event"] == "stream_settings_refused"]
    assert "duplicate" in refused["reason"]
    await relaying.check()


async def test_the_command_takes_them_from_its_settings(relaying: Relaying, ledgers: TestDatabase) -> None:
    environment = {
        "CUSTOMERS_DATABASE_URL": ledgers.url,
        "CUSTOMERS_NATS_URL": relaying.server.url,
        "CUSTOMERS_MASTER_KEY": MasterKeys.generate_text().strip(),
        "CUSTOMERS_STREAM_MAX_AGE_SECONDS": "86400",
        "CUSTOMERS_STREAM_MAX_BYTES": "5000000",
    }

    async def is_set() -> bool:
        async with JetStream.connect(relaying.server.url) as stream:
            found = await stream.stream(STREAM)
        return found is not None and found.config["max_age"] == 86400 * SECOND

    async with started(environment, "relay"):
        await comes_about(is_set, what="a stream with the limit")
    assert (await config(relaying))["max_bytes"] == 5_000_000


# What is not missing


async def test_a_stream_that_is_empty_by_age_is_not_filled_again(relaying: Relaying) -> None:
    settings = StreamSettings(max_age_seconds=1)
    await write(relaying.store, 1, 5)
    assert await relaying.run(settings=settings) == 5

    async def is_empty() -> bool:
        async with raw_jetstream(relaying.server.url) as stream:
            return (await stream.stream_info(STREAM)).state.messages == 0

    await comes_about(is_empty, what="a stream that has forgotten everything")
    assert await relaying.run(settings=settings) == 0
    await asyncio.to_thread(relaying.server.stop)
    await asyncio.to_thread(relaying.server.start)
    with capture_logs() as logs:
        assert await relaying.run(settings=settings) == 0
    assert [line["event"] for line in logs] == []
    await write(relaying.store, 6, 2)
    assert await relaying.run(settings=settings) == 2


async def test_a_wiped_stream_gets_what_it_would_still_have(relaying: Relaying) -> None:
    await write(relaying.store, 1, 6)
    await write(relaying.store, 1, 4, M2)
    await relaying.run(settings=AN_HOUR)
    await make_older(relaying.store, f"position <= 4 OR merchant_id = '{M2}'")
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_stream(STREAM)
    assert await relaying.run(settings=AN_HOUR) == 2
    assert await told(relaying) == [(M1, 5), (M1, 6)]
    assert await relaying.run(settings=AN_HOUR) == 0


async def test_without_limits_a_wiped_stream_gets_everything_however_old(relaying: Relaying) -> None:
    await write(relaying.store, 1, 6)
    await relaying.run()
    await make_older(relaying.store, "position <= 4")
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_stream(STREAM)
    assert await relaying.run() == 6


async def test_what_never_left_leaves_however_old_it_is(relaying: Relaying) -> None:
    await write(relaying.store, 1, 3)
    await relaying.run(settings=AN_HOUR)
    await write(relaying.store, 4, 5)
    await make_older(relaying.store, "position <= 7")
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_stream(STREAM)
    await relaying.run(settings=AN_HOUR)
    assert await told(relaying) == [(M1, position) for position in range(4, 9)]


async def test_a_lost_tail_is_put_back_and_what_gave_way_to_newer_messages_is_not(
    relaying: Relaying,
) -> None:
    settings = StreamSettings(max_bytes=20_000)
    await relaying.store.create(C1, JOHN, M2)
    await write(relaying.store, 1, 40)
    await relaying.run(page=5, settings=settings)
    await make_older(relaying.store, f"merchant_id = '{M2}' OR position <= 10")
    before = await told(relaying)
    assert len(before) < 30
    assert {merchant for merchant, _ in before} == {M1}
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_msg(STREAM, 41)
    assert await relaying.run(settings=settings) == 1
    assert await told(relaying) == before


@pytest.mark.parametrize(
    ("moment", "expected"), [(-1, [0, 0, 0]), (0, [1, 0, 0]), (5, [6, 0, 0]), (99, [9, 2, 0])]
)
async def test_the_last_position_before_a_moment_is_found(
    store: Store, moment: int, expected: list[int]
) -> None:
    await write(store, 1, 9)
    await write(store, 1, 2, M2)
    base = 1_000_000
    await forge(
        store,
        f"UPDATE events.customer_events SET recorded_at = {base} + position - 1 "
        f"+ CASE merchant_id WHEN '{M2}' THEN 50 ELSE 0 END",
    )
    rows = await store.database.fetch(RECORDED_UNTIL, [M1, M2, M3], base + moment, None)
    found = {row["merchant_id"]: row["position"] for row in rows}
    assert [found[merchant] for merchant in (M1, M2, M3)] == expected


async def test_an_erasure_and_a_limit_do_not_disturb_each_other(relaying: Relaying) -> None:
    await relaying.store.create(C1, JOHN)
    await relaying.store.create(C2, JOHN | {"email": "c2@example.com"})
    await relaying.run(settings=AN_HOUR)
    await relaying.store.erase(C2)
    await relaying.run(settings=AN_HOUR)
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_stream(STREAM)
    await relaying.run(settings=AN_HOUR)
    await relaying.check()
