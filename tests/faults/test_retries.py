"""F29: a retry while the first request is under way, also at another server: one effect, one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest_asyncio

from service.settings import Settings
from tests.support.api import Answer, Client, RunningApi, running_api, serving
from tests.support.databases import TestDatabase
from tests.support.serve import comes_about

KEY = {"Idempotency-Key": "order-17"}
BUSY = {409, 503}


@pytest_asyncio.fixture
async def api(database: TestDatabase) -> AsyncIterator[RunningApi]:
    """An API on a database of the test's own."""
    async with running_api(database) as running:
        yield running


@pytest_asyncio.fixture
async def clients(api: RunningApi, database: TestDatabase) -> AsyncIterator[list[Client]]:
    """The same key at two servers on one database, which share nothing else."""
    async with serving(Settings(), database.url, api.operator.master_keys) as url:
        yield [api.client, api.client.at(url)]


def one_effect(answers: list[Answer]) -> Answer:
    """All are the same answer, of which all but one are marked as repetitions."""
    assert {(answer.status, answer.body) for answer in answers} == {(answers[0].status, answers[0].body)}
    replayed = [answer for answer in answers if answer.headers.get("Idempotent-Replayed") == "true"]
    assert len(replayed) == len(answers) - 1
    return answers[0]


async def test_creates_with_one_key_at_once_over_two_servers_make_one_customer(
    api: RunningApi, clients: list[Client]
) -> None:
    answers = await asyncio.gather(*[client.create(KEY) for client in clients * 10])
    assert one_effect(answers).status == 201
    assert (await api.stored())["customer_events"] == 1


async def test_patches_with_one_key_at_once_over_two_servers_change_once(
    api: RunningApi, clients: list[Client]
) -> None:
    customer_id = (await api.client.created())["id"]
    for key in (KEY, {"Idempotency-Key": "no-op"}):
        patches = [client.patch(customer_id, key, name="Jo") for client in clients * 10]
        assert one_effect(await asyncio.gather(*patches)).version == 2


async def test_patches_with_one_key_and_if_match_at_once_change_once_and_none_is_412(
    api: RunningApi, clients: list[Client]
) -> None:
    customer_id = (await api.client.created())["id"]
    headers = KEY | {"If-Match": '"1"'}
    patches = [client.patch(customer_id, headers, name="Jo") for client in clients * 10]
    assert one_effect(await asyncio.gather(*patches)).version == 2


async def test_retries_of_a_create_that_race_with_the_delete_get_the_first_answer(
    api: RunningApi, clients: list[Client]
) -> None:
    first = await api.client.create(KEY)
    customer_id = first.json()["id"]
    deleted, *retries = await asyncio.gather(
        clients[1].delete(customer_id), *[client.create(KEY) for client in clients * 10]
    )
    assert (deleted.status, deleted.version) == (200, 2)
    assert {(again.status, again.body) for again in retries} == {(201, first.body)}
    assert (await api.stored())["customer_events"] == 2


async def test_deletes_with_one_key_at_once_over_two_servers_delete_once(
    api: RunningApi, clients: list[Client]
) -> None:
    customer_id = (await api.client.created())["id"]
    answers = await asyncio.gather(*[client.delete(customer_id, KEY) for client in clients * 10])
    assert one_effect(answers).version == 2
    assert (await api.stored())["customer_events"] == 2


async def test_of_different_requests_under_one_key_at_once_one_wins_and_the_others_are_422(
    api: RunningApi, clients: list[Client]
) -> None:
    creates = [clients[n % 2].create(KEY, email=f"{n}@example.com") for n in range(10)]
    answers = await asyncio.gather(*creates)
    assert sorted(answer.status for answer in answers) == [201] + [422] * 9
    assert (await api.stored())["email_claims"] == 1


@asynccontextmanager
async def head_locked(api: RunningApi, database: TestDatabase) -> AsyncIterator[None]:
    """The merchant's ledger is locked by somebody else."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM events.merchants WHERE id = $1 FOR UPDATE", api.merchant_id)
            yield
    finally:
        await connection.close()


async def wait_for_locks(api: RunningApi, *requests: asyncio.Task[Answer]) -> bool:
    """Whether a connection waits for a lock for each of the requests that have no answer yet."""
    query = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = 'customers_app' AND wait_event_type = 'Lock'
    """
    (row,) = await api.operator.select(query)
    return bool(row["count"] >= sum(not request.done() for request in requests))


async def test_a_retry_waits_for_the_first_or_is_told_to_come_again(
    api: RunningApi, clients: list[Client], database: TestDatabase
) -> None:
    async with head_locked(api, database):
        requests = [asyncio.create_task(client.create(KEY)) for client in clients]
        await comes_about(lambda: wait_for_locks(api, *requests), what="two creates that wait")
    answers = [await request for request in requests]
    again = await api.client.create(KEY)
    assert again.status == 201
    assert {answer.status for answer in answers} <= {201} | BUSY
    assert {answer.body for answer in answers if answer.status == 201} <= {again.body}
    assert (await api.stored())["customer_events"] == 1


async def test_the_same_key_of_another_merchant_is_free_while_the_first_is_in_flight(
    api: RunningApi, database: TestDatabase
) -> None:
    stranger = await api.of_new_merchant()
    async with head_locked(api, database):
        first = asyncio.create_task(api.client.create(KEY))
        await comes_about(lambda: wait_for_locks(api, first), what="a create that waits")
        other = await stranger.client.create(KEY)
    assert other.status == 201
    assert "Idempotent-Replayed" not in other.headers
    assert (await first).status in {201} | BUSY
    assert (await stranger.stored())["customer_events"] == 1


async def test_another_body_under_a_key_whose_first_request_is_in_flight_is_never_made(
    api: RunningApi, clients: list[Client], database: TestDatabase
) -> None:
    async with head_locked(api, database):
        first = asyncio.create_task(clients[0].create(KEY))
        await comes_about(lambda: wait_for_locks(api, first), what="a create that waits")
        second = asyncio.create_task(clients[1].create(KEY, email="jane@example.com"))
        await comes_about(lambda: wait_for_locks(api, first, second), what="two creates that wait")
    statuses = sorted([(await first).status, (await second).status])
    assert statuses[0] in {201} | BUSY
    assert statuses[1] in {422} | BUSY
    assert (await api.stored())["customer_events"] <= 1


async def test_a_create_whose_connection_died_on_the_head_lock_is_made_once(
    api: RunningApi, clients: list[Client], database: TestDatabase
) -> None:
    async with head_locked(api, database):
        first = asyncio.create_task(api.client.create(KEY))
        await comes_about(lambda: wait_for_locks(api, first), what="a create that waits")
        await api.operator.select("""
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = 'customers_app' AND wait_event_type = 'Lock'
        """)
        retry = asyncio.create_task(clients[1].create(KEY))
        await comes_about(lambda: wait_for_locks(api, retry), what="a retry that waits")
    answers = [await first, await retry, await api.client.create(KEY)]
    assert answers[2].status == 201
    assert {answer.body for answer in answers if answer.status == 201} == {answers[2].body}
    assert {answer.status for answer in answers} <= {201} | BUSY
    assert (await api.stored())["customer_events"] == 1
