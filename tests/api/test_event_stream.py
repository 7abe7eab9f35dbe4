"""GET /v1/events as Server-Sent Events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.settings import Settings
from tests.support.api import Answer, Client, RunningApi, client_session, operating, running_api, serving
from tests.support.databases import TestDatabase
from tests.support.streams import ACCEPT, streaming

pytestmark = pytest.mark.asyncio(loop_scope="session")

RESTLESS = Settings(heartbeat_seconds=0.05)


async def bodies(client: Client, query: str = "") -> list[bytes]:
    """The items of a page, byte for byte."""
    answer = await client.request("GET", f"/v1/events{query}")
    _, _, rest = answer.body.partition(b'"data":[')
    inner = rest.rpartition(b'],"nextAfter":')[0]
    return [b'{"event":' + part for part in inner.split(b'{"event":')[1:]]


@asynccontextmanager
async def restless(database: TestDatabase) -> AsyncIterator[RunningApi]:
    """An API that says something all the time."""
    async with running_api(database, RESTLESS) as api:
        yield api


async def test_it_begins_with_what_there_is_and_goes_on_with_what_comes(client: Client) -> None:
    first = await client.created()
    async with streaming(client) as stream:
        [created] = await stream.take(1)
        assert stream.retry == 2000
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.headers["Ledger-Epoch"] == "1"
        assert stream.response.headers["Cache-Control"] == "private, no-cache"
        assert stream.response.headers["X-Request-Id"].startswith("req_")
        await client.patch(first["id"], name="Jane")
        await client.delete(first["id"])
        told = [created, *await stream.take(2)]
    assert [one.id for one in told] == [1, 2, 3]
    assert [one.event for one in told] == ["customer.created", "customer.updated", "customer.deleted"]
    assert [one.json() for one in told] == (await client.request("GET", "/v1/events")).json()["data"]
    pages = [(await bodies(client, f"?after={one.id - 1}&limit=1"))[0] for one in told]
    assert [one.data for one in told] == pages


@pytest.mark.parametrize(
    ("accept", "streamed"),
    [
        ("text/event-stream", True),
        ("text/event-stream, */*", True),
        ("text/event-stream;q=0.5, */*;q=0.1", True),
        ("application/json;q=0.5, text/event-stream", True),
        ("TEXT/Event-Stream ; charset=utf-8", True),
        ("application/json, text/event-stream", False),
        ("text/event-stream;q=0.5, application/json", False),
        ("text/event-stream;q=0.5, */*", False),
        ("text/event-stream;q=0", False),
        ("text/event-stream;q=no", False),
        ("*/*", False),
        ("text/*", False),
        ("text/html", False),
        ("", False),
    ],
)
async def test_accept_decides(client: Client, accept: str, streamed: bool) -> None:
    answer = await client.request("HEAD", "/v1/events", headers={"Accept": accept})
    wanted = "text/event-stream" if streamed else "application/json"
    assert (answer.status, answer.headers["Content-Type"]) == (200, wanted)


@pytest.mark.parametrize("name", ["limit", "wait"])
async def test_what_belongs_to_pages_is_refused(client: Client, name: str) -> None:
    answer = await client.request("GET", f"/v1/events?{name}=10", headers=ACCEPT)
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == name


async def test_where_it_begins_is_said_by_after_or_by_last_event_id(client: Client) -> None:
    for number in range(4):
        await client.created(email=f"c{number}@example.com")
    for query, headers, first in (
        ("?after=2", {}, 3),
        ("", {"Last-Event-ID": "2"}, 3),
        ("?after=2", {"Last-Event-ID": "2"}, 3),
        ("?after=1", {"Last-Event-ID": "3"}, 4),  # as a client does that is connected again
    ):
        async with streaming(client, query, headers) as stream:
            [told] = await stream.take(1)
            assert told.id == first
    answer = await client.request("GET", "/v1/events?after=3", headers=ACCEPT | {"Last-Event-ID": "2"})
    assert answer.refusal() == (400, "invalid_request")


async def test_another_merchants_events_are_not_in_it(api: RunningApi) -> None:
    other = await api.of_new_merchant()
    async with streaming(api.client) as stream:
        await other.client.created(email="canary@example.com")
        own = await api.client.created()
        [told] = await stream.take(1)
        assert told.json()["data"] == own


async def test_many_streams_of_one_merchant_get_the_same(client: Client) -> None:
    async with streaming(client) as one, streaming(client) as two, streaming(client, "?after=0") as three:
        for number in range(20):
            await client.created(email=f"c{number}@example.com")
        told = [await stream.take(20) for stream in (one, two, three)]
    assert told[0] == told[1] == told[2]
    assert [event.id for event in told[0]] == list(range(1, 21))


async def test_types_are_chosen_and_heartbeats_move_the_client_on(database: TestDatabase) -> None:
    async with restless(database) as api, streaming(api.client, "?types=customer.deleted") as stream:
        customer = await api.client.created()
        while stream.last_id != 1:
            await stream.heartbeat()
        await api.client.delete(customer["id"])
        [told] = await stream.take(1)
        assert (told.id, told.event) == (2, "customer.deleted")


async def test_nothing_happens_and_the_stream_says_so_again_and_again(database: TestDatabase) -> None:
    async with restless(database) as api, streaming(api.client) as stream:
        for _ in range(5):
            await stream.heartbeat()
        created = await api.client.created()
        [told] = await stream.take(1)
        assert told.json()["data"] == created


async def test_a_client_goes_on_where_it_was_over_a_restart(database: TestDatabase) -> None:
    settings = Settings()
    async with operating(database) as operator, client_session() as session:
        merchant_id = await operator.merchant()
        _, key = await operator.key(merchant_id)
        async with (
            serving(settings, database.url, operator.master_keys) as url,
            streaming(client := Client(session, url, key)) as stream,
        ):
            for number in range(3):
                await client.created(email=f"c{number}@example.com")
            before = await stream.take(2)
        async with serving(settings, database.url, operator.master_keys) as url:
            client = Client(session, url, key)
            await client.created(email="later@example.com")
            async with streaming(client, headers={"Last-Event-ID": str(before[-1].id)}) as stream:
                after = await stream.take(2)
    assert [told.id for told in before + after] == [1, 2, 3, 4]


async def test_at_a_stop_streams_end_and_who_waits_is_answered(database: TestDatabase) -> None:
    async with operating(database) as operator, client_session() as session:
        _, key = await operator.key(await operator.merchant())
        async with serving(Settings(shutdown_seconds=20), database.url, operator.master_keys) as url:
            client = Client(session, url, key)
            await client.created()
            opened = streaming(client)
            stream = await opened.__aenter__()
            await stream.take(1)
            waiting = asyncio.create_task(client.request("GET", "/v1/events?after=1&wait=30"))
            unrelated = await client.request("GET", "/v1/events?after=0&wait=30")
            assert len(unrelated.json()["data"]) == 1
        assert await stream.rest() == []
        await opened.__aexit__(None, None, None)
        answer = await waiting
    assert (answer.status, answer.json()["data"], answer.json()["nextAfter"]) == (200, [], 1)


async def test_when_another_history_begins_the_stream_ends(api: RunningApi) -> None:
    await api.client.created()
    async with streaming(api.client) as stream:
        await stream.take(1)
        await api.operator.select(
            "UPDATE events.merchants SET epoch = epoch + 1 WHERE id = $1", api.merchant_id
        )
        assert await stream.rest() == []
    async with streaming(api.client) as stream:
        assert stream.response.headers["Ledger-Epoch"] == "2"
    assert (await api.client.request("GET", "/v1/events")).headers["Ledger-Epoch"] == "2"


async def test_when_the_history_ends_before_its_place_the_stream_ends(api: RunningApi) -> None:
    for number in range(3):
        await api.client.created(email=f"c{number}@example.com")
    async with streaming(api.client) as stream:
        await stream.take(3)
        await api.operator.select("UPDATE events.merchants SET position = 2 WHERE id = $1", api.merchant_id)
        assert await stream.rest() == []
    answer = await api.client.request("GET", "/v1/events", headers=ACCEPT | {"Last-Event-ID": "3"})
    assert answer.refusal() == (400, "invalid_cursor")


async def answered(client: Client, path: str) -> Answer:
    """What is answered once the store is there; a read that was under way when it went is 503."""
    while (answer := await client.request("GET", path)).status == 503:
        pass
    return answer


async def test_lost_connections_to_the_database_are_waited_out(database: TestDatabase) -> None:
    async with running_api(database) as api, streaming(api.client) as stream:
        await api.client.created()
        await stream.take(1)
        waiting = asyncio.create_task(answered(api.client, "/v1/events?after=1&wait=30"))
        await api.operator.select(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        while (await api.client.create(email="after@example.com")).status == 503:
            pass
        [told] = await stream.take(1)
        assert told.id == 2
        answer = await waiting
        assert [event["position"] for event in answer.json()["data"]] == [2]


async def test_the_person_is_erased_while_the_stream_is_open(api: RunningApi) -> None:
    eraser = await api.client_with(frozenset({"erase"}))
    customer = await api.client.created()
    async with streaming(api.client) as stream:
        await stream.take(1)
        await eraser.request("POST", f"/v1/customers/{customer['id']}/erase")
        [told] = await stream.take(1)
        assert told.event == "customer.erased"
    async with streaming(api.client) as again:
        told_again = await again.take(2)
        assert told_again[0].json()["data"] == {"id": customer["id"], "object": "customer"}
        assert told_again[1] == told
