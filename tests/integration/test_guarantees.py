"""What subscribers may rely on (events/SUBSCRIBING.md), as far as no other test pins it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from events.wire.message import STREAM
from projections.delivery import Delivery
from service.embedded.postgres import EmbeddedPostgres
from tests.support.cases import ACME, JOHN
from tests.support.databases import TestDatabase
from tests.support.nats_servers import raw_jetstream
from tests.support.relaying import Relaying, own_nats
from tests.support.restoring import Restoring
from tests.support.store import C1, C2, C3, M1, M2, Store, customer_id
from tests.support.subscribing import Copy, GapFound, state_of

LARGEST_MESSAGE = 96 * 1024  # bytes
LARGEST_CUSTOMER = 32 * 1024  # bytes, as JSON


@pytest_asyncio.fixture
async def relaying(store: Store) -> AsyncIterator[Relaying]:
    with own_nats() as server:
        yield Relaying(store, server)


@pytest.fixture
def restoring(migrated_postgres: EmbeddedPostgres) -> Iterator[Restoring]:
    with own_nats() as server:
        yield Restoring(migrated_postgres, server)


async def some_history(store: Store) -> None:
    """Of M1: created, created, updated, deleted, updated; of M2 one event between."""
    await store.create(C1, JOHN)
    await store.create(C2, ACME)
    await store.update(C1, name="Second")
    await store.create(C1, JOHN, M2)
    await store.delete(C2)
    await store.update(C1, name="Third")


async def of(merchant: str, relaying: Relaying) -> list[Delivery]:
    """The merchant's messages."""
    return [one for one in await relaying.stream() if one.subject.split(".")[2] == merchant]


async def wipe(relaying: Relaying) -> None:
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_stream(STREAM)


async def test_order_is_that_of_versions_for_a_customer_and_of_positions_for_a_merchant(
    relaying: Relaying,
) -> None:
    await some_history(relaying.store)
    await relaying.run(page=2)
    versions: dict[str, list[int]] = defaultdict(list)
    for one in await relaying.stream():
        versions[one.subject].append(orjson.loads(one.body)["version"])
    assert [list(range(1, len(told) + 1)) for told in versions.values()] == list(versions.values())
    told = await of(M1, relaying)
    assert [int(one.headers["ce-sequence"]) for one in told] == [1, 2, 3, 4, 5]
    chain = [(one.headers["ce-prevhash"], one.headers["ce-hash"]) for one in told]
    assert [previous for previous, _ in chain[1:]] == [hash_ for _, hash_ in chain[:-1]]


async def test_after_the_stream_was_wiped_the_same_messages_come_under_the_same_ids(
    relaying: Relaying,
) -> None:
    await some_history(relaying.store)
    await relaying.run()
    copy, first = Copy(), await of(M1, relaying)
    assert [copy.take(one) for one in first] == [True] * 5
    await wipe(relaying)
    await relaying.store.update(C1, name="Fourth")
    await relaying.run()
    again = await of(M1, relaying)
    assert [(one.headers["ce-id"], one.body) for one in again[:5]] == [
        (one.headers["ce-id"], one.body) for one in first
    ]
    assert [copy.take(one) for one in again] == [False] * 5 + [True]
    assert copy.position == 6


async def test_a_missing_message_shows_by_its_position(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    copy, told = Copy(), await of(M1, relaying)
    copy.take(told[0])
    with pytest.raises(GapFound):
        copy.take(told[2])
    copy.take(told[1])
    assert copy.take(told[2])


async def test_of_an_erased_customer_the_erasure_is_left_and_positions_are_missing(
    relaying: Relaying,
) -> None:
    await some_history(relaying.store)
    await relaying.run()
    await relaying.store.erase(C1)
    await relaying.run()
    told = [orjson.loads(one.body) for one in await of(M1, relaying)]
    assert [one["position"] for one in told] == [2, 4, 6]
    assert told[-1]["event"] == "customer.erased"
    assert told[-1]["data"] == {"id": C1, "object": "customer", "deleted": True}


async def test_the_largest_message_is_smaller_than_96_kib(relaying: Relaying) -> None:
    store = relaying.store
    await store.create(C1, largest("a"))
    await store.update(C1, **largest("b"))
    await relaying.run()
    _, last = await of(M1, relaying)
    told = orjson.loads(last.body)
    assert len(orjson.dumps(told["data"])) > LARGEST_CUSTOMER - 100
    assert len(told["previousAttributes"]["metadata"]) == 2 * len(told["data"]["metadata"])
    head = sum(len(name) + len(value) + 4 for name, value in last.headers.items())
    assert len(last.body) + head < LARGEST_MESSAGE


def largest(letter: str) -> dict[str, Any]:
    """Values of a customer near the limit, nothing of which is in another letter's."""
    metadata = {f"{letter}{number:039}": letter * 500 for number in range(50)}
    values = ACME | {"email": f"{letter}@example.com", "metadata": metadata, "description": letter * 5000}
    room = LARGEST_CUSTOMER - len(orjson.dumps({"id": C1, "object": "customer", **values})) - 60
    return values | {"name": letter * min(250, room)} if room > 0 else values


# A change of epoch


async def test_whoever_has_read_what_was_lost_and_whoever_has_not_end_equal_to_the_ledger(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    ahead, behind, at_the_loss, idle = Copy(), Copy(), Copy(), Copy()
    async with restoring.on(ledgers) as before:
        await some_history(before.store)
        await before.run()
        common = await of(M1, before)
    at_the_loss.follow(common, common)
    behind.follow(common[:2], common)
    async with restoring.backup(ledgers) as older:
        async with restoring.on(ledgers) as before:
            await before.store.create(C3, JOHN | {"name": "Lost", "email": "lost@example.com"})
            await before.store.update(C1, name="Lost, too")
            await before.run()
            everything = await of(M1, before)
        for copy in (ahead, idle):
            copy.follow(everything, everything)
        async with restoring.on(older) as after:
            await after.run()
            idle.follow(await of(M1, after), [])
            await after.store.update(C1, name="True")
            await after.store.create(customer_id(70), ACME)
            await after.run()
            now = await of(M1, after)
            assert ahead.follow(now, now) == "began"
            assert behind.follow(now, now) == at_the_loss.follow(now, now) == "went on"
            assert idle.follow(now[-1:], now) == "began"
            state = await state_of(older.admin_url, M1)
    for copy in (ahead, behind, at_the_loss, idle):
        assert copy.customers == state
        assert (copy.epoch, copy.position) == (2, 7)


async def test_who_lost_nothing_goes_on_when_an_operator_begins_an_epoch(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    copy, first = Copy(), await of(M1, relaying)
    copy.follow(first, first)
    await relaying.store.select("SELECT FROM events.raise_epochs($1, $2, '')", [M1], [2])
    await relaying.store.update(C1, name="Goes on")
    await relaying.run()
    assert copy.follow((await of(M1, relaying))[-1:], []) == "went on"
    assert (copy.epoch, copy.position) == (2, 6)


async def test_a_wiped_stream_after_a_new_epoch_makes_subscribers_begin_anew_once(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    copy, first = Copy(), await of(M1, relaying)
    copy.follow(first, first)
    await relaying.store.select("SELECT FROM events.raise_epochs($1, $2, '')", [M1], [2])
    await wipe(relaying)
    await relaying.run()
    again = await of(M1, relaying)
    assert copy.follow(again, again) == "began"
    assert copy.follow(again, again) == "went on"
    assert copy.position == 5
