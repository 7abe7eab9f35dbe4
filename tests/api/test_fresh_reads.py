"""GET by id, and the list by email, are never stale and never go backward while writers run (I9).

Two servers on one database; the read model is filled meanwhile, a page at a time. A customer's name says
which version it belongs to, so that a body which does not fit its ETag shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import asyncpg
import pytest_asyncio

from service.settings import Settings
from tests.support.api import Answer, Client, RunningApi, running_api, serving
from tests.support.databases import TestDatabase
from tests.support.serve import comes_about
from tests.support.sweeping import sweep

CHANGES = 60
CUSTOMERS = 3
READERS = 2
"""At each server, of each customer."""

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"


@dataclass
class Race:
    """Writers and readers of some customers; what the writers were answered, as they are answered."""

    api: RunningApi
    here: Client
    there: Client
    database: TestDatabase
    acknowledged: dict[str, int] = field(default_factory=dict)
    """The last version of each customer that a writer knows to be written."""
    writing: bool = True
    reads: int = 0

    async def create(self, count: int) -> None:
        """Customers whose names say version 1."""
        for number in range(count):
            answer = await self.here.create(email=f"c{number}@example.com", name="version 1")
            self.acknowledged[answer.json()["id"]] = answer.version

    async def write(self, customer_id: str, changes: int = CHANGES) -> None:
        """Changes by turns at both servers, each read again at once at both."""
        for version in range(2, changes + 2):
            writer, other = (self.here, self.there) if version % 2 else (self.there, self.here)
            answer = await writer.patch(customer_id, name=f"version {version}")
            assert (answer.status, answer.version) == (200, version)
            self.acknowledged[customer_id] = version
            for client in (writer, other):
                assert (await client.get(customer_id)).body == answer.body

    async def read(self, client: Client, customer_id: str) -> None:
        """Read until the writers are done: never less than was seen or acknowledged before the request."""
        seen = 1
        while self.writing:
            floor = max(seen, self.acknowledged[customer_id])
            answer = await client.get(customer_id)
            assert answer.status == 200
            assert answer.version >= floor, f"{answer.version} after {floor}"
            assert_whole(answer)
            seen = answer.version
            self.reads += 1

    async def project(self) -> None:
        """Fill the read model for as long as the writers write."""
        while self.writing:
            await sweep(self.api.database, self.api.operator.master_keys)
            await asyncio.sleep(0)

    async def run(self) -> None:
        """Everyone at once, until the writers are done."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.project())
            for customer_id in self.acknowledged:
                for client in [self.here, self.there] * READERS:
                    group.create_task(self.read(client, customer_id))
            async with asyncio.TaskGroup() as writers:
                for customer_id in self.acknowledged:
                    writers.create_task(self.write(customer_id))
            self.writing = False


def assert_whole(answer: Answer) -> None:
    """The body is that of the version in the ETag."""
    assert answer.json()["name"] == f"version {answer.version}"


@pytest_asyncio.fixture
async def race(database: TestDatabase) -> AsyncIterator[Race]:
    async with (
        running_api(database) as api,
        serving(Settings(), database.url, api.operator.master_keys) as url,
    ):
        yield Race(api, api.client, api.client.at(url), database)


async def test_reads_never_go_backward_while_writers_and_the_read_model_work(race: Race) -> None:
    await race.create(CUSTOMERS)
    await race.run()
    assert race.reads > CUSTOMERS * READERS
    for customer_id in race.acknowledged:
        assert (await race.there.get(customer_id)).version == CHANGES + 1


async def test_reads_are_fresh_however_far_the_read_model_lags(race: Race) -> None:
    await race.create(1)
    [customer_id] = race.acknowledged
    await race.write(customer_id, changes=130)  # past a snapshot
    assert await race.here.ids() == []
    await race.api.sweep()
    assert (await race.here.page()).json()["data"] == [(await race.there.get(customer_id)).json()]


async def test_a_new_customer_can_be_read_everywhere_at_once(race: Race) -> None:
    for number in range(20):
        writer, other = (race.here, race.there) if number % 2 else (race.there, race.here)
        created = await writer.create(email=f"c{number}@example.com")
        answer = await other.get(created.json()["id"])
        assert (answer.status, answer.body) == (200, created.body)


async def test_the_list_by_email_follows_each_change_of_email_at_once(race: Race) -> None:
    customer_id = (await race.here.created(email="c0@example.com"))["id"]
    for number in range(1, 15):
        writer, other = (race.here, race.there) if number % 2 else (race.there, race.here)
        await writer.patch(customer_id, email=f"c{number}@example.com")
        assert await other.ids(email=f"c{number}@example.com") == [customer_id]
        assert await other.ids(email=f"c{number - 1}@example.com") == []
        if number % 5 == 0:
            await race.api.sweep()


async def test_who_saw_a_tombstone_never_sees_the_customer_again(race: Race) -> None:
    await race.create(1)
    [customer_id] = race.acknowledged
    seen: dict[Client, list[bool]] = {race.here: [], race.there: []}

    async def read(client: Client) -> None:
        while not seen[client] or not seen[client][-1] or race.writing:
            seen[client].append("deleted" in (await client.get(customer_id)).json())

    async with asyncio.TaskGroup() as group:
        for client in seen:
            group.create_task(read(client))
        group.create_task(race.project())
        await race.write(customer_id, changes=5)
        deleted = await race.here.delete(customer_id)
        assert (await race.there.get(customer_id)).body == deleted.body
        await race.api.sweep()
        assert (await race.there.get(customer_id)).body == deleted.body
        race.writing = False
    for reader in seen.values():
        assert reader == sorted(reader)


async def test_a_read_does_not_wait_for_a_change_under_way_and_shows_nothing_of_it(race: Race) -> None:
    customer_id = (await race.here.created(name="version 1"))["id"]

    connection = await asyncpg.connect(race.database.admin_url)
    try:
        async with connection.transaction():
            merchant_id = race.api.merchant_id
            await connection.execute("SELECT FROM events.merchants WHERE id = $1 FOR UPDATE", merchant_id)
            under_way = asyncio.create_task(race.here.patch(customer_id, name="version 2"))

            async def waits() -> bool:
                rows = await race.api.operator.select(WAITING, race.database.name)
                return under_way.done() or bool(rows[0]["count"] == 1)

            await comes_about(waits, what="the append")
            for client in (race.here, race.there):
                answer = await client.get(customer_id)
                assert answer.version == 1
                assert_whole(answer)
    finally:
        await connection.close()
    assert (await under_way).status in {200, 503}  # 503 when the machine took longer than the lock may
