"""GET /v1/events?wait=: the answer comes with the event, and not without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

from service.api_keys import revoke_key
from service.auth import REMEMBERED_SECONDS, Authenticator
from service.feed import event_stream
from service.merchants import deactivate_merchant
from service.routes import make_app
from service.services import open_services
from service.settings import Settings
from tests.support.api import Client, RunningApi, running_api
from tests.support.databases import TestDatabase
from tests.support.streams import streaming

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = "wait=30"


def asking(client: Client, query: str) -> asyncio.Task[Any]:
    """A request that is under way."""
    return asyncio.create_task(client.request("GET", f"/v1/events?{query}"))


async def positions(task: asyncio.Task[Any]) -> list[int]:
    """What it was answered, in far less time than it would have waited."""
    async with asyncio.timeout(15):
        answer = await task
    assert answer.status == 200, answer.body
    return [event["position"] for event in answer.json()["data"]]


async def test_an_event_that_is_there_is_answered_at_once(client: Client) -> None:
    await client.created()
    assert await positions(asking(client, LONG)) == [1]


async def test_the_next_event_wakes_everybody_who_waits(client: Client) -> None:
    await client.created()
    waiting = [asking(client, f"after=1&limit={limit}&{LONG}") for limit in (1, 2, 3, 3, 3)]
    await client.request("GET", "/v1/events")  # by now all of them have asked
    await client.created(email="next@example.com")
    assert [await positions(task) for task in waiting] == [[2]] * 5


async def test_what_is_not_wanted_wakes_nobody(client: Client) -> None:
    customer = await client.created()
    waiting = asking(client, f"types=customer.deleted&{LONG}")
    await client.patch(customer["id"], name="Jane")
    await client.delete(customer["id"])
    assert await positions(waiting) == [3]


async def test_another_merchants_events_wake_nobody(api: RunningApi) -> None:
    other = await api.of_new_merchant()
    waiting = asking(api.client, LONG)
    await other.client.created(email="canary@example.com")
    assert await positions(asking(other.client, LONG)) == [1]
    await api.client.created()
    assert await positions(waiting) == [1]


async def test_when_the_time_is_over_the_list_is_empty(client: Client) -> None:
    await client.created()
    answer = await client.request("GET", "/v1/events?types=customer.deleted&wait=1")
    assert answer.json() == {
        "object": "list", "url": "/v1/events", "hasMore": False, "data": [], "nextAfter": 1,
    }  # fmt: skip


async def test_who_waits_hears_of_a_history_that_ends_before(api: RunningApi) -> None:
    await api.client.created()
    await api.client.created(email="second@example.com")
    waiting = asking(api.client, f"after=2&{LONG}")
    await api.client.request("GET", "/v1/events")  # by now it has asked
    await api.operator.select("UPDATE events.merchants SET position = 1 WHERE id = $1", api.merchant_id)
    assert (await waiting).refusal() == (400, "invalid_cursor")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Aging(NamedTuple):
    """A server whose keys are forgotten when the test says so, and a merchant's client of it."""

    api: RunningApi
    clock: Clock
    client: Client
    key_id: str


@pytest_asyncio.fixture(loop_scope="session")
async def aging(database: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aging]:
    monkeypatch.setattr(event_stream, "CHECK_SECONDS", 0.0)
    settings = Settings(heartbeat_seconds=0.05)
    async with running_api(database) as api:
        keys = api.operator.master_keys
        key, text = await api.operator.key(api.merchant_id)
        async with open_services(settings, database.url, keys) as services:
            clock = Clock()
            authenticator = Authenticator(services.database, keys, clock)
            async with TestServer(make_app(replace(services, authenticator=authenticator))) as server:
                client = api.client.at(str(server.make_url("")).rstrip("/")).having(text)
                yield Aging(api, clock, client, key.id)
                services.followers.let_go()


async def test_the_stream_of_a_revoked_key_ends(aging: Aging) -> None:
    async with streaming(aging.client) as stream:
        await aging.client.created()
        await stream.take(1)
        assert await revoke_key(aging.api.operator.admin, aging.key_id)
        await stream.heartbeat()
        aging.clock.now += REMEMBERED_SECONDS + 1
        assert await stream.rest() == []


async def test_the_stream_of_a_deactivated_merchant_ends(aging: Aging) -> None:
    async with streaming(aging.client) as stream:
        await stream.heartbeat()
        await deactivate_merchant(aging.api.operator.admin, aging.api.merchant_id)
        aging.clock.now += REMEMBERED_SECONDS + 1
        assert await stream.rest() == []


async def test_nothing_is_told_to_a_key_that_was_revoked_while_it_waited(aging: Aging) -> None:
    waiting = asking(aging.client, LONG)
    await aging.client.request("GET", "/v1/events")  # by now it has asked
    assert await revoke_key(aging.api.operator.admin, aging.key_id)
    aging.clock.now += REMEMBERED_SECONDS + 1
    await aging.api.client.created()
    assert (await waiting).refusal() == (401, "unauthorized")
