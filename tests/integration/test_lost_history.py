"""A ledger that lost history: what the stream has of it is told, and gone; a new epoch begins (F11, F12)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from events.queries import RAISE_EPOCHS
from events.wire.message import STREAM
from projections.delivery import Delivery
from service.embedded.postgres import EmbeddedPostgres
from tests.support.cases import ACME, JOHN
from tests.support.databases import TestDatabase, run_sql
from tests.support.nats_servers import raw_jetstream
from tests.support.relaying import Relaying, own_nats
from tests.support.restoring import Restoring
from tests.support.store import C1, C2, C3, M1, M2, M3, Store, customer_id, make_merchants, merchant_id


@pytest.fixture
def restoring(migrated_postgres: EmbeddedPostgres) -> Iterator[Restoring]:
    with own_nats() as server:
        yield Restoring(migrated_postgres, server)


async def kept(relaying: Relaying) -> None:
    """What the backup has: three events of M1, one of M2."""
    await relaying.store.create(C1, JOHN)
    await relaying.store.create(C1, ACME, M2)
    await relaying.store.create(C2, ACME)
    await relaying.store.update(C1, name="Kept")
    await relaying.run()


async def lost(relaying: Relaying, count: int = 3) -> None:
    """What it lacks."""
    for number in range(count):
        await relaying.store.create(customer_id(50 + number), JOHN | {"email": f"lost{number}@example.com"})
    await relaying.run()


async def epochs(store: Store) -> dict[str, int]:
    rows = await store.select("SELECT id, epoch FROM events.merchants ORDER BY id")
    return {row["id"]: row["epoch"] for row in rows}


@asynccontextmanager
async def restored(restoring: Restoring, ledgers: TestDatabase, count: int = 3) -> AsyncIterator[Relaying]:
    """The backup, gone on with after so many events of M1 were published and lost."""
    async with restoring.on(ledgers) as before:
        await kept(before)
    async with restoring.backup(ledgers) as older:
        async with restoring.on(ledgers) as before:
            await lost(before, count)
        async with restoring.on(older) as after:
            yield after


def told_epochs(deliveries: list[Delivery]) -> list[str]:
    """Of M1's messages."""
    return [one.headers["ce-epoch"] for one in deliveries if one.subject.split(".")[2] == M1]


async def test_what_the_ledger_lacks_is_told_deleted_and_begins_an_epoch(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    async with restored(restoring, ledgers) as relaying:
        await relaying.store.update(C2, name="New")
        with capture_logs() as logs:
            await relaying.run()
        assert told_epochs(await relaying.check()) == ["1", "1", "1", "2"]
        assert await epochs(relaying.store) == {M1: 2, M2: 1, M3: 1}
        told = [line for line in logs if line["log_level"] == "critical"]
        assert [line["event"] for line in told] == ["foreign_message"] * 3 + ["history_lost"]
        assert [line["position"] for line in told] == [4, 5, 6, 4]
        assert (told[-1]["merchant_id"], told[-1]["epoch"]) == (M1, 2)
        (row,) = await relaying.store.select("SELECT * FROM events.epochs")
        assert (row["merchant_id"], row["epoch"], row["position"]) == (M1, 2, 4)


async def test_a_loss_is_found_before_anything_new_is_published_and_counted_once(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    async with restored(restoring, ledgers) as relaying:
        for _ in range(2):
            assert await relaying.run() == 0
            assert (await epochs(relaying.store))[M1] == 2
        await relaying.check()


async def test_who_was_interrupted_between_the_epoch_and_the_deletion_begins_no_second_one(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    async with restored(restoring, ledgers) as relaying:
        begun = await relaying.store.select("SELECT * FROM events.raise_epochs($1, $2, '')", [M1], [2])
        assert len(begun) == 1
        await relaying.run()
        await relaying.check()
        assert (await epochs(relaying.store))[M1] == 2


async def test_each_loss_begins_an_epoch_also_when_the_one_before_was_lost_with_it(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    async with restoring.on(ledgers) as before:
        await kept(before)
    async with restoring.backup(ledgers) as first, restoring.backup(ledgers) as second:
        async with restoring.on(ledgers) as before:
            await lost(before)
        async with restoring.on(first) as again:
            await again.store.update(C1, name="In the second epoch")
            await again.run()
            assert (await epochs(again.store))[M1] == 2
        async with restoring.on(second) as last:
            await last.store.update(C1, name="In the third")
            await last.run()
            assert told_epochs(await last.check()) == ["1", "1", "1", "3"]


@pytest.mark.parametrize("count", [1, 3, 70])
async def test_it_is_found_in_a_stream_that_was_made_anew_since_the_backup(
    restoring: Restoring, ledgers: TestDatabase, count: int
) -> None:
    async with restoring.on(ledgers) as before:
        await kept(before)
    async with restoring.backup(ledgers) as older:
        async with restoring.on(ledgers) as before:
            await lost(before, count)
            await before.store.update(C1, M2, name="Lost of M2")
            async with raw_jetstream(restoring.nats.url) as stream:
                await stream.delete_stream(STREAM)
            await before.run()
            async with raw_jetstream(restoring.nats.url) as stream:
                await stream.publish(f"customers.v1.{M1}.{C1}", b"no message of ours")
        async with restoring.on(older) as relaying:
            await relaying.store.update(C2, name="New")
            await relaying.run()
            assert await epochs(relaying.store) == {M1: 2, M2: 2, M3: 1}
            await without_what_is_not_ours(relaying)
            assert told_epochs(await relaying.check())[-1] == "2"


async def test_it_is_found_with_holes_where_customers_were_erased(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    async with restoring.on(ledgers) as before:
        await kept(before)
        await before.store.create(C3, JOHN | {"email": "c3@example.com"})
        await before.store.erase(C1)
        await before.run()
    async with restoring.backup(ledgers) as older:
        async with restoring.on(ledgers) as before:
            await lost(before, 5)
            await before.store.erase(customer_id(51))
            async with raw_jetstream(restoring.nats.url) as stream:
                await stream.delete_stream(STREAM)
            await before.run(page=2)
        async with restoring.on(older) as relaying:
            await relaying.store.update(C2, name="New")
            await relaying.run()
            assert told_epochs(await relaying.check()) == ["1", "1", "1", "2"]


async def test_an_erasure_that_was_lost_and_applied_again_leaves_a_whole_stream(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    async with restoring.on(ledgers) as before:
        await kept(before)
    async with restoring.backup(ledgers) as older:
        async with restoring.on(ledgers) as before:
            await before.store.erase(C1)
            await before.run()
        async with restoring.on(older) as relaying:
            await relaying.store.erase(C1)
            await relaying.run()
            await relaying.check()
            assert (await epochs(relaying.store))[M1] == 2


async def without_what_is_not_ours(relaying: Relaying) -> None:
    """Delete what the relay leaves alone, which is still there."""
    (strange,) = [one for one in await relaying.stream(foreign=True) if "ce-id" not in one.headers]
    async with raw_jetstream(relaying.server.url) as stream:
        await stream.delete_msg(STREAM, strange.sequence)


async def test_of_a_merchant_that_is_not_known_any_more_nothing_is_left(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    unknown = merchant_id(9)
    async with restoring.on(ledgers) as before:
        await kept(before)
    async with restoring.backup(ledgers) as older:
        await make_merchants(ledgers, unknown)
        async with restoring.on(ledgers) as before:
            await before.store.create(C3, JOHN | {"name": "Nobody's Customer"}, unknown)
            await before.run()
            assert b"Nobody's Customer" in b"".join(files(restoring))
        async with restoring.on(older) as relaying:
            await relaying.run()
            await relaying.check()
            assert b"Nobody's Customer" not in b"".join(files(restoring))


def files(restoring: Restoring) -> list[bytes]:
    """All that NATS keeps."""
    return [path.read_bytes() for path in restoring.nats.directory.rglob("*") if path.is_file()]


def forged(message: Delivery, **headers: str) -> dict[str, Any]:
    """A message like this one, with other headers."""
    own = {name: value for name, value in message.headers.items() if name.startswith("ce-")}
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"subject": message.subject, "payload": b"{}", "headers": own | changed}


async def test_a_forged_message_raises_no_epoch_far_and_a_strange_one_none(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    async with restoring.on(ledgers) as relaying:
        await kept(relaying)
        last = (await relaying.stream())[-1]
        other = "f" * 64
        identity = f"{last.headers['ce-subject']}-2-{other[:16]}"
        near = forged(last, ce_hash=other, ce_id=identity, ce_epoch="7")
        far = forged(last, ce_hash=other, ce_id=identity, ce_epoch="9" * 18)
        strange = [
            forged(last, ce_hash=other, ce_epoch="7"),
            forged(last, ce_hash=other, ce_id=identity, ce_epoch="0"),
            forged(last, ce_hash=other, ce_id=identity, ce_epoch="many"),
            forged(last, ce_hash=other) | {"subject": "customers.v1.short"},
        ]
        async with raw_jetstream(restoring.nats.url) as stream:
            for message in (far, *strange):
                await stream.publish(**message)
        await relaying.run()
        assert (await epochs(relaying.store))[M1] == 1
        assert len(await relaying.stream(foreign=True)) == 4 + len(strange)
        async with raw_jetstream(restoring.nats.url) as stream:
            await stream.publish(**near)
        await relaying.run()
        assert (await epochs(relaying.store))[M1] == 8


async def test_a_false_message_in_the_place_of_a_true_one_beside_it_is_found(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    async with restoring.on(ledgers) as relaying:
        await kept(relaying)
        last, other = (await relaying.stream())[-1], "e" * 64
        await run_sql(ledgers.admin_url, "UPDATE events.relay_state SET last_sequence = 0, last_id = ''")
        async with raw_jetstream(restoring.nats.url) as stream:
            identity = f"{last.headers['ce-subject']}-2-{other[:16]}"
            await stream.publish(**forged(last, ce_hash=other, ce_id=identity))
        await relaying.run()
        await relaying.check()
        assert (await epochs(relaying.store))[M1] == 2


async def test_the_epoch_only_rises_whoever_asks(ledgers: TestDatabase, restoring: Restoring) -> None:
    async with restoring.on(ledgers) as relaying:
        database = relaying.store.database

        async def asked(merchant: str, epoch: int) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await database.fetch(RAISE_EPOCHS, [merchant], [epoch], "a test")]

        assert await asked(M1, 3) == [(M1, 3, 0)]
        assert await asked(M1, 3) == await asked(M1, 2) == await asked(M1, -1) == []
        assert await asked(M1, 1004) == await asked(merchant_id(404), 2) == []
        assert await asked(M1, 1003) == [(M1, 1003, 0)]
        told = await relaying.store.select("SELECT epoch FROM events.epochs ORDER BY epoch")
        assert [row["epoch"] for row in told] == [3, 1003]


async def test_messages_of_the_new_epoch_tell_it_in_body_and_chain_as_ever(
    restoring: Restoring, ledgers: TestDatabase
) -> None:
    async with restored(restoring, ledgers) as relaying:
        await relaying.run()
        await relaying.store.update(C1, name="Goes on")
        await relaying.run()
        *_, before, last = [one for one in await relaying.check() if one.subject.split(".")[2] == M1]
        assert last.headers["ce-prevhash"] == before.headers["ce-hash"]
        assert orjson.loads(last.body)["position"] == 4
