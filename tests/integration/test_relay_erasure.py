"""Of an erased customer the stream has nothing but that it was erased, whatever was lost on the way (F40)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from events.queries import MARK_PUBLISHED, OUTBOX_PAGE
from events.stream import relay as relay_module
from events.stream.jetstream import JetStream
from events.wire.message import STREAM, Recorded, subject_of, unreadable_message
from tests.support.cases import ACME, JOHN
from tests.support.nats_servers import raw_jetstream
from tests.support.relaying import Relaying, own_nats
from tests.support.store import C1, C2, C3, M1, M2, Store, customer_id


@pytest_asyncio.fixture
async def relaying(store: Store) -> AsyncIterator[Relaying]:
    with own_nats() as server:
        yield Relaying(store, server)


async def some_history(store: Store) -> None:
    """Seven events of three customers; the last is C1's."""
    await store.create(C2, ACME)
    await store.create(C1, JOHN)
    await store.create(C1, JOHN, M2)
    for number in range(4):
        await store.update(C1, name=f"Name {number}")


async def whole(relaying: Relaying) -> list[bytes]:
    """The stream's bodies, after the check of it; of C1 only the erasure is there."""
    deliveries = await relaying.check()
    own = [one for one in deliveries if one.subject == subject_of(M1, C1)]
    assert [one.headers["ce-type"] for one in own] == ["customer.erased"]
    return [one.body for one in deliveries]


async def test_its_messages_go_and_the_erasure_is_told(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    outcome = await relaying.store.erase(C1)
    await relaying.run()
    told = orjson.loads((await whole(relaying))[-1])
    assert told["event"] == "customer.erased"
    assert told["data"] == {"id": C1, "object": "customer", "deleted": True}
    assert told["previousAttributes"] == {}
    assert (told["version"], told["position"]) == (outcome.version, outcome.position)


async def test_what_is_left_of_it_in_the_outbox_leaves_no_message(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.store.erase(C1)
    await relaying.store.update(C2, name="Later")
    await relaying.run(page=2)
    await whole(relaying)


async def test_its_values_are_on_none_of_the_servers_files(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    assert held_by(relaying, b"Name 2")
    await relaying.store.erase(C1)
    await relaying.run()
    assert held_by(relaying, b"Jane Doe")
    assert not held_by(relaying, b"Name 2")


def held_by(relaying: Relaying, value: bytes) -> bool:
    """Whether a file of the server's has these bytes."""
    files = (path for path in relaying.server.directory.rglob("*") if path.is_file())
    return any(value in path.read_bytes() for path in files)


async def test_a_page_made_before_the_erasure_does_not_leave(relaying: Relaying) -> None:
    await some_history(relaying.store)
    async with relaying.relay(page=3) as relay:
        assert await relay.relay_page() == 3
        assert relay._following is not None
        assert b"Name 1" in relay._following.messages[-1].body
        await relaying.store.erase(C1)
        while await relay.relay_page():
            assert not [one for one in await relaying.stream() if b'"Name ' in one.body]
    await whole(relaying)


async def test_who_is_killed_between_deleting_and_telling_is_made_good(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    await relaying.store.erase(C1)
    async with JetStream.connect(relaying.server.url) as stream:
        await stream.erase(STREAM, subject_of(M1, C1))
    await relaying.run()
    await whole(relaying)


async def test_who_is_killed_between_telling_and_marking_is_made_good(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    await relaying.store.erase(C1)
    async with relaying.relay() as killed:
        await killed._look()
        rows = await killed._session.fetch(OUTBOX_PAGE, 0, 9)
        await killed._stream.erase(STREAM, subject_of(M1, C1))
        messages = await killed._outgoing.messages(rows)
        await killed._stream.publish_in_order(messages, last_sequence=killed._last_sequence)
    assert await relaying.run() == 0
    await whole(relaying)


async def test_a_look_at_the_stream_whose_end_was_deleted_puts_nothing_back_twice(
    relaying: Relaying,
) -> None:
    await some_history(relaying.store)
    await relaying.store.create(C3, JOHN | {"email": "c3@example.com"})
    async with relaying.relay() as relay:
        await relay.relay_page()
        await relaying.store.erase(C3)
        async with JetStream.connect(relaying.server.url) as stream:
            await stream.erase(STREAM, subject_of(M1, C3))
        await relay._look()
        while await relay.relay_page():
            pass
    assert len(await relaying.check()) == 8


async def test_a_stream_made_anew_tells_of_the_erasure_alone(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    await relaying.store.erase(C1)
    await relaying.run()
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_stream(STREAM)
    await relaying.run(page=2)
    await whole(relaying)


async def test_an_older_copy_of_the_stream_that_has_its_messages_again_loses_them_again(
    relaying: Relaying,
) -> None:
    server = relaying.server
    await some_history(relaying.store)
    await relaying.run()
    await asyncio.to_thread(server.stop)
    older = server.directory / "older"
    shutil.copytree(server.data, older)
    await asyncio.to_thread(server.start)
    await relaying.store.erase(C1)
    await relaying.run()
    await asyncio.to_thread(server.stop)
    shutil.rmtree(server.data)
    older.rename(server.data)
    await asyncio.to_thread(server.start)
    await relaying.run()
    await whole(relaying)
    assert not held_by(relaying, b"Name 2")


async def test_more_erasures_than_there_is_time_for_at_once_go_one_part_after_another(
    relaying: Relaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "ERASURES_IN_A_PAGE", 2)
    await some_history(relaying.store)
    for number in range(20, 25):
        await relaying.store.create(customer_id(number), JOHN | {"email": f"{number}@example.com"})
    await relaying.run()
    for number in range(20, 25):
        await relaying.store.erase(customer_id(number))
    async with relaying.relay() as relay:
        assert [await relay.relay_page() for _ in range(4)] == [2, 2, 1, 0]
    await relaying.check()


async def test_a_customer_with_more_messages_than_are_deleted_at_once_loses_them_all(
    relaying: Relaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.stream.jetstream.ERASED_AT_ONCE", 2)
    await some_history(relaying.store)
    await relaying.run()
    await relaying.store.erase(C1)
    await relaying.run()
    await whole(relaying)


async def relay_as_an_older_release(relaying: Relaying) -> None:
    """Publish what is in the outbox as a release did that knew no erasure, which deletes nothing."""
    async with relaying.relay() as older:
        older._cleaned = True
        await older._look()
        rows = await older._session.fetch(OUTBOX_PAGE, 0, 1000)
        messages = [unreadable_message(Recorded(*row[1:11])) for row in rows]
        end = await older._stream.publish_in_order(messages, last_sequence=older._last_sequence)
        ids = [row["notification_id"] for row in rows]
        await older._session.fetch(MARK_PUBLISHED, ids, end, messages[-1].headers["Nats-Msg-Id"])


async def cleaned(relaying: Relaying) -> int:
    """Up to which notification id erasures are known to be done."""
    (row,) = await relaying.store.select("SELECT erasures_cleaned FROM events.relay_state")
    return int(row["erasures_cleaned"])


async def test_what_a_relay_of_an_older_release_left_is_deleted_when_the_next_one_begins(
    relaying: Relaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.stream.cleaning.AT_ONCE", 1)
    await some_history(relaying.store)
    await relaying.run()
    await relaying.store.erase(C1)
    await relaying.store.erase(C2)
    await relay_as_an_older_release(relaying)
    assert held_by(relaying, b"Name 2")
    await relaying.run()
    await whole(relaying)
    assert not held_by(relaying, b"Name 2")


async def test_a_relay_that_begins_looks_at_the_erasures_since_the_last_one_began(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    await relaying.store.erase(C1)
    await relaying.run()
    first = await cleaned(relaying)
    await relaying.store.erase(C2)
    await relaying.run()
    second = await cleaned(relaying)
    await relaying.run()
    assert await cleaned(relaying) == second
    erasures = "SELECT notification_id FROM events.customer_events WHERE topic = 'CustomerErased' ORDER BY 1"
    assert [row[0] for row in await relaying.store.select(erasures)] == [first, second]
    await relaying.check()


async def test_who_is_killed_while_cleaning_is_made_good(
    relaying: Relaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_history(relaying.store)
    await relaying.run()
    await relaying.store.erase(C1)
    await relay_as_an_older_release(relaying)
    async with JetStream.connect(relaying.server.url) as stream:
        first = await stream.first(STREAM, subject_of(M1, C1))
        assert first is not None
        await stream.erase(STREAM, subject_of(M1, C1), before=first.sequence + 1)
    await relaying.run()
    await whole(relaying)
