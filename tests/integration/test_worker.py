"""Workers: applied, then acknowledged; a bad message alone is parked; outages are survived (F19, F26)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
import pytest_asyncio

from events.database import Database
from events.errors import SchemaMissing, StoreUnavailable
from events.statements import Statement
from projections.delivery import Delivery
from projections.parking import list_parked
from projections.worker import Work, apply_batch, run_worker
from service.embedded.nats import EmbeddedNats
from tests.support.databases import TestDatabase
from tests.support.nats_servers import raw_jetstream
from tests.support.relaying import own_nats
from tests.support.serve import comes_about

STREAM = "NUMBERS"


class Ledger:
    """A projection that only notes what it was given."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.fails: Callable[[str], bool] = lambda _: False
        self.outages = 0

    async def apply(self, _: Database.Transaction, deliveries: Sequence[Delivery]) -> None:
        """Note, unless one of them fails."""
        if self.outages:
            self.outages -= 1
            raise StoreUnavailable("an outage")
        bodies = [delivery.body.decode() for delivery in deliveries]
        for body in bodies:
            if self.fails(body):
                raise ValueError(body)
        self.seen += bodies

    def work(self) -> Work:
        """The worker's task."""
        return Work("numbers", STREAM, "numbers", self.apply)


@pytest_asyncio.fixture
async def pool(database: TestDatabase) -> AsyncIterator[Database]:
    async with Database.connect(database.url) as opened:
        yield opened


@pytest_asyncio.fixture
async def server() -> AsyncIterator[EmbeddedNats]:
    with own_nats() as started:
        yield started


@asynccontextmanager
async def working(pool: Database, server: EmbeddedNats, ledger: Ledger) -> AsyncIterator[None]:
    """A worker, for a block."""
    task = asyncio.create_task(run_worker(pool, server.url, ledger.work()))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def fill(server: EmbeddedNats, *bodies: str) -> None:
    """Publish, into a stream that is made where it is missing."""
    async with raw_jetstream(server.url) as stream:
        await stream.add_stream(name=STREAM, subjects=["numbers.>"])
        for body in bodies:
            await stream.publish("numbers.x", body.encode())


async def everything_is(ledger: Ledger, expected: set[str]) -> None:
    async def is_there() -> bool:
        return set(ledger.seen) == expected

    await comes_about(is_there, what=f"{expected}")


def deliveries(*bodies: str) -> list[Delivery]:
    return [Delivery(STREAM, "numbers.x", number, {}, body.encode()) for number, body in enumerate(bodies, 1)]


async def test_the_one_bad_message_of_a_batch_is_parked_and_the_others_are_applied(pool: Database) -> None:
    ledger = Ledger()
    ledger.fails = lambda body: body == "7"
    bodies = [str(number) for number in range(1, 21)]
    await apply_batch(pool, ledger.work(), deliveries(*bodies))
    assert ledger.seen == [body for body in bodies if body != "7"]
    (parked,) = await list_parked(pool)
    assert (parked.projection, parked.delivery.body) == ("numbers", b"7")
    assert parked.reason == "unexpected ValueError"


async def test_an_outage_parks_nothing_and_is_waited_for(pool: Database, server: EmbeddedNats) -> None:
    ledger = Ledger()
    ledger.outages = 2
    await fill(server, "1", "2")
    async with working(pool, server, ledger):
        await everything_is(ledger, {"1", "2"})
    assert await list_parked(pool) == []


async def test_what_was_applied_is_acknowledged_and_does_not_come_again(
    pool: Database, server: EmbeddedNats
) -> None:
    ledger = Ledger()
    await fill(server, "1", "2", "3")
    async with working(pool, server, ledger):
        await everything_is(ledger, {"1", "2", "3"})

        async def all_acknowledged() -> bool:
            async with raw_jetstream(server.url) as stream:
                return bool((await stream.consumer_info(STREAM, "numbers")).num_ack_pending == 0)

        await comes_about(all_acknowledged)
    again = Ledger()
    await fill(server, "4")
    async with working(pool, server, again):
        await everything_is(again, {"4"})


async def test_a_worker_waits_for_its_stream(pool: Database, server: EmbeddedNats) -> None:
    ledger = Ledger()
    async with working(pool, server, ledger):
        await fill(server, "1")
        await everything_is(ledger, {"1"})


async def test_a_deleted_consumer_is_made_again(pool: Database, server: EmbeddedNats) -> None:
    ledger = Ledger()
    await fill(server, "1")
    async with working(pool, server, ledger):
        await everything_is(ledger, {"1"})
        async with raw_jetstream(server.url) as stream:
            await stream.delete_consumer(STREAM, "numbers")
        await fill(server, "2")
        await everything_is(ledger, {"1", "2"})


async def test_a_restarted_server_is_found_again(pool: Database, server: EmbeddedNats) -> None:
    ledger = Ledger()
    await fill(server, "1")
    async with working(pool, server, ledger):
        await everything_is(ledger, {"1"})
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        await fill(server, "2")
        await everything_is(ledger, {"1", "2"})


async def test_a_schema_that_is_not_there_yet_parks_nothing(pool: Database) -> None:
    with pytest.raises(SchemaMissing):
        await apply_batch(pool, Work("numbers", STREAM, "numbers", insert_nowhere), deliveries("1", "2"))
    assert await list_parked(pool) == []


async def insert_nowhere(transaction: Database.Transaction, _: Sequence[Delivery]) -> None:
    await transaction.fetch(Statement("insert_nowhere", "INSERT INTO projections.not_yet VALUES (1)"))


async def test_values_that_the_database_refuses_park_their_message(pool: Database) -> None:
    await apply_batch(pool, Work("numbers", STREAM, "numbers", divide), deliveries("1", "0", "2"))
    assert [one.delivery.body for one in await list_parked(pool)] == [b"0"]


async def divide(transaction: Database.Transaction, given: Sequence[Delivery]) -> None:
    for one in given:
        await transaction.fetch(Statement("divide", "SELECT 1 / $1::text::integer"), one.body.decode())
