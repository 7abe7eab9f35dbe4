"""The relay: every event leaves once, in order, whatever was lost on the way (F5-F8, F16-F18)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from events.database import Connection
from events.errors import BatchRefused, MasterKeyMismatch
from events.key_checks import check_master_keys
from events.master_keys import MasterKeys
from events.queries import OUTBOX_PAGE
from events.stream import reconciliation
from events.stream.jetstream import FEW, JetStream
from events.stream.relay import SESSION, Relay, run_relay
from events.stream.settings import StreamSettings
from events.wire.message import STREAM
from tests.support.cases import ACME, JOHN
from tests.support.databases import TestDatabase, run_sql
from tests.support.nats_servers import raw_jetstream
from tests.support.relaying import Relaying, own_nats
from tests.support.serve import comes_about, started
from tests.support.store import C1, C2, M1, M2, Store, changing, connected, creating, customer_id


@pytest_asyncio.fixture
async def relaying(store: Store) -> AsyncIterator[Relaying]:
    with own_nats() as server:
        yield Relaying(store, server)


async def some_history(store: Store) -> None:
    """Ten events of three customers of two merchants."""
    await store.create(C1, JOHN)
    await store.create(C2, ACME)
    await store.create(C1, ACME, M2)
    for number in range(5):
        await store.update(C1, name=f"Name {number}")
    await store.update(C1, M2, phone="+1")
    await store.delete(C2)


async def some_more(store: Store, first: int, count: int = 10) -> None:
    for number in range(first, first + count):
        await store.create(customer_id(number), JOHN | {"email": f"{number}@example.com"})


@pytest.mark.parametrize("page", [1, 3, 1000])
async def test_every_event_leaves_once_in_order(relaying: Relaying, page: int) -> None:
    await some_history(relaying.store)
    assert await relaying.run(page=page) == 10
    assert await relaying.run(page=page) == 0
    await relaying.check()


async def test_a_message_tells_the_customer_after_its_event_and_what_was_before(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    told = [orjson.loads(delivery.body) for delivery in await relaying.stream()]
    names = [(one["data"].get("name"), one["previousAttributes"]) for one in told if one["data"]["id"] == C1]
    assert names[:2] == [("John Doe", {}), ("Jane Doe", {})]
    assert names[2:4] == [("Name 0", {"name": "John Doe"}), ("Name 1", {"name": "Name 0"})]
    assert told[-1]["data"] == {"id": C2, "object": "customer", "deleted": True}


async def test_a_relay_that_begins_in_the_middle_folds_what_went_before(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    await relaying.store.update(C1, name="Later")
    await relaying.run()
    last = orjson.loads((await relaying.check())[-1].body)
    assert (last["data"]["name"], last["previousAttributes"]) == ("Later", {"name": "Name 4"})


async def test_what_was_published_and_not_marked_is_not_published_again(relaying: Relaying) -> None:
    await some_history(relaying.store)
    async with relaying.relay(page=4) as killed:
        await killed._look()
        rows = await killed._session.fetch(OUTBOX_PAGE, 0, 4)
        messages = await killed._outgoing.messages(rows)
        await killed._stream.publish_in_order(messages, last_sequence=0)
    assert await relaying.run() == 6
    await relaying.check()


async def test_a_few_messages_of_which_the_first_alone_arrived_leave_once_and_in_order(
    relaying: Relaying,
) -> None:
    await some_history(relaying.store)
    async with relaying.relay(page=3) as killed:
        await killed._look()
        first, *_ = await killed._outgoing.messages(await killed._session.fetch(OUTBOX_PAGE, 0, 3))
        assert await killed._stream.publish_in_order([first], last_sequence=0) == 1
    await relaying.run(page=3)
    await relaying.check()


@pytest.mark.parametrize("count", [1, 2, FEW, FEW + 1, 50])
async def test_however_many_leave_together_none_leaves_where_the_stream_ends_elsewhere(
    relaying: Relaying, count: int
) -> None:
    await some_more(relaying.store, 0, count)
    async with relaying.relay() as relay:
        await relay._stream.create_stream(StreamSettings().new_stream() | {"duplicate_window": 60 * 10**9})
        messages = await relay._outgoing.messages(await relay._session.fetch(OUTBOX_PAGE, 0, count))
        with pytest.raises(BatchRefused):
            await relay._stream.publish_in_order(messages, last_sequence=7)
        assert await relaying.stream() == []
        assert await relay._stream.publish_in_order(messages, last_sequence=0) == count
        with pytest.raises(BatchRefused):
            await relay._stream.publish_in_order(messages, last_sequence=count)
    assert len(await relaying.stream()) == count


async def test_what_another_relay_published_meanwhile_refuses_the_stale_one_s_batch(
    relaying: Relaying,
) -> None:
    await some_history(relaying.store)
    async with relaying.relay(page=2) as paused:
        assert await paused.relay_page() == 2
        page = await paused._next_page()
        await relaying.run()
        with pytest.raises(BatchRefused):
            await paused._publish(page)
    await some_more(relaying.store, 50)
    await relaying.run()
    await relaying.check()


async def test_a_late_commit_is_never_skipped_nor_overtaken(
    relaying: Relaying, ledgers: TestDatabase
) -> None:
    store = relaying.store
    async with connected(ledgers.url) as late, relaying.relay() as relay:
        await store.create(C1, JOHN, M2)
        await relay.relay_page()
        transaction = late.transaction()
        await transaction.start()
        append = "SELECT kind FROM events.append($1::events.command[])"
        assert await late.fetchval(append, [creating(customer_id(7), "7@example.com")]) == "appended"
        await store.update(C1, M2, name="Committed before, numbered after")
        assert await relay.relay_page() == 1
        await transaction.commit()
        await store.create(C2, ACME)
        await store.update(C1, M2, name="And one more")
        while await relay.relay_page():
            pass
    await relaying.check()


async def test_a_lost_tail_is_put_back_before_anything_newer(relaying: Relaying) -> None:
    store, server = relaying.store, relaying.server
    await some_history(store)
    await relaying.run()
    await asyncio.to_thread(server.stop)
    older = server.directory / "older"
    shutil.copytree(server.data, older)
    await asyncio.to_thread(server.start)
    await some_more(store, 20)
    await store.update(C1, M2, name="Lost, too")
    await relaying.run()
    await asyncio.to_thread(server.stop)
    shutil.rmtree(server.data)
    older.rename(server.data)
    await some_more(store, 40)
    await asyncio.to_thread(server.start)
    assert await relaying.run() == 21
    await relaying.check()


async def true_messages(relaying: Relaying) -> list[str]:
    """The ids of the messages that are ours, in order."""
    return [
        one.headers["Nats-Msg-Id"]
        for one in await relaying.stream(foreign=True)
        if "Nats-Msg-Id" in one.headers
    ]


async def test_a_lost_message_that_a_foreign_one_makes_good_in_number_is_put_back(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    before = await true_messages(relaying)
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_msg(STREAM, 10)
        await stream.publish(f"customers.v1.{M1}.{C1}", b"{}")
        await stream.publish(f"customers.v1.{M1}.{C1}", b"{}", headers={"ce-sequence": "9" * 20})
    with capture_logs() as logs:
        assert await relaying.run() == 1
    assert "foreign_message" in {line["event"] for line in logs if line["log_level"] == "critical"}
    assert await true_messages(relaying) == before


async def test_foreign_messages_behind_the_end_are_told_and_stop_nobody(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    async with raw_jetstream(relaying.server.url) as stream:
        for number in range(3):
            headers = {"ce-sequence": f"{number:020}", "ce-hash": "00" * 32}
            await stream.publish(f"customers.v1.{M1}.{C1}", b"{}", headers=headers)
    await relaying.store.update(C1, name="True")
    assert await relaying.run() == 1
    assert len(await true_messages(relaying)) == 11


async def test_a_purged_stream_is_filled_again(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.purge_stream(STREAM)
    assert await relaying.run() == 10
    await relaying.check()


async def test_an_older_copy_of_an_earlier_stream_gets_what_it_lacks_and_nothing_twice(
    relaying: Relaying,
) -> None:
    store, server = relaying.store, relaying.server
    await some_history(store)
    await relaying.run()
    await asyncio.to_thread(server.stop)
    older = server.directory / "older"
    shutil.copytree(server.data, older)
    await asyncio.to_thread(server.start)
    async with raw_jetstream(server.url) as stream:
        await stream.delete_stream(STREAM)
    await some_more(store, 20)
    await relaying.run()
    await asyncio.to_thread(server.stop)
    shutil.rmtree(server.data)
    older.rename(server.data)
    await asyncio.to_thread(server.start)
    assert await relaying.run() == 10
    await relaying.check()


async def test_a_tail_longer_than_a_page_is_put_back(
    relaying: Relaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "PUT_BACK", 3)
    await some_history(relaying.store)
    await some_more(relaying.store, 20, 25)
    await relaying.run()
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_stream(STREAM)
    assert await relaying.run() == 35
    await relaying.check()


async def test_a_deleted_stream_is_made_again_and_filled(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_stream(STREAM)
    await some_more(relaying.store, 20)
    assert await relaying.run() == 20
    await relaying.check()


async def test_filling_a_stream_that_was_interrupted_begins_anew(relaying: Relaying) -> None:
    await some_history(relaying.store)
    await relaying.run()
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_stream(STREAM)
    async with relaying.relay() as interrupted:
        await interrupted._reconciliation._stream.create_stream(
            {"name": STREAM, "subjects": ["customers.v1.>"], "allow_atomic": True}
        )
    assert await relaying.run() == 10
    await relaying.check()


async def test_an_event_that_cannot_be_opened_blocks_nobody(
    relaying: Relaying, ledgers: TestDatabase
) -> None:
    await some_history(relaying.store)
    await run_sql(ledgers.admin_url, f"DELETE FROM events.customer_keys WHERE customer_id = '{C2}'")
    assert await relaying.run() == 10
    told = [orjson.loads(delivery.body)["data"] for delivery in await relaying.check()]
    assert {"id": C2, "object": "customer"} in told


async def test_a_message_over_the_servers_limit_leaves_with_its_ids_and_blocks_nobody(
    relaying: Relaying,
) -> None:
    await relaying.store.create(C2, ACME | {"description": "x" * 5000})
    await some_history_of_others(relaying.store)
    async with relaying.relay() as relay:
        relay._outgoing._largest = 4096
        while await relay.relay_page():
            pass
    told = [orjson.loads(delivery.body)["data"] for delivery in await relaying.check()]
    assert told[0] == {"id": C2, "object": "customer"}
    assert told[1]["email"] == JOHN["email"]


async def some_history_of_others(store: Store) -> None:
    await store.create(C1, JOHN)
    await store.update(C1, name="Jo")


async def test_without_nats_the_relay_waits_and_then_catches_up(relaying: Relaying) -> None:
    store, server = relaying.store, relaying.server
    await asyncio.to_thread(server.stop)
    async with relays(relaying, 1):
        await some_history(store)
        await asyncio.to_thread(server.start)
        await outbox_is_empty(store)
        await asyncio.to_thread(server.stop)
        await some_more(store, 20)
        await asyncio.to_thread(server.start)
        await outbox_is_empty(store)
    await relaying.check()


async def test_a_standby_takes_over_from_a_relay_that_lost_its_session(
    relaying: Relaying, ledgers: TestDatabase
) -> None:
    store = relaying.store
    async with relays(relaying, 3):
        for first in (20, 30, 40):
            await some_more(store, first)
            await outbox_is_empty(store)
            await run_sql(
                ledgers.admin_url,
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted",
            )
        await some_more(store, 50)
        await outbox_is_empty(store)
    await relaying.check()


async def test_a_relay_that_lacks_a_version_of_the_master_key_publishes_nothing(relaying: Relaying) -> None:
    await some_history(relaying.store)
    other = MasterKeys.from_text(MasterKeys.generate_text(2))
    session = Connection(relaying.store.url, SESSION, reopens=False)
    async with JetStream.connect(relaying.server.url) as stream:
        with pytest.raises(MasterKeyMismatch):
            await Relay(session, stream, other).relay_page()
    await session.close()
    assert await relaying.run() == 10
    await relaying.check()


@pytest.mark.parametrize("command", ["relay", "project"])
async def test_a_wrong_master_key_ends_the_command_before_anything_is_done(
    relaying: Relaying, ledgers: TestDatabase, command: str
) -> None:
    await check_master_keys(relaying.store.admin, relaying.store.master_keys)
    environment = {
        "CUSTOMERS_DATABASE_URL": ledgers.url,
        "CUSTOMERS_NATS_URL": relaying.server.url,
        "CUSTOMERS_MASTER_KEY": MasterKeys.generate_text().strip(),
    }
    async with started(environment, command) as process:
        assert await process.ended() == 1
        assert "master key version 1 is not the one" in process.said()


async def test_an_event_of_a_newer_release_leaves_with_its_ids_and_blocks_nobody(
    relaying: Relaying, ledgers: TestDatabase
) -> None:
    await relaying.store.create(C1, JOHN)
    async with connected(ledgers.url) as newer:
        command = changing(C1, 2)._replace(topic="CustomerMerged", state=b'{"what": "we do not know"}')
        await newer.fetch("SELECT events.append($1::events.command[])", [command])
    await relaying.store.create(C2, ACME)
    await relaying.run()
    told = [orjson.loads(delivery.body) for delivery in await relaying.check()]
    assert [one["event"] for one in told] == ["customer.created", "customer.merged", "customer.created"]
    assert told[1]["data"] == {"id": C1, "object": "customer"}


@asynccontextmanager
async def relays(relaying: Relaying, count: int) -> AsyncIterator[None]:
    """So many at work, for a block."""
    store = relaying.store
    tasks = [
        asyncio.create_task(run_relay(store.url, relaying.server.url, store.master_keys))
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def outbox_is_empty(store: Store) -> None:
    async def is_empty() -> bool:
        return await store.select("SELECT FROM events.outbox LIMIT 1") == []

    await comes_about(is_empty, what="an empty outbox")
