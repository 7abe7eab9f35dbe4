"""kill -9 of the API before and after COMMIT: the retry under the same key tells the one truth (F1, F2)."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.support.api import Answer
from tests.support.database_proxy import DatabaseProxy
from tests.support.deployment import Deployment
from tests.support.serve import comes_about

KEY = {"Idempotency-Key": "the-one"}
IF_SECOND = {"If-Match": '"2"'}


async def test_a_create_killed_before_commit_has_no_effect_and_its_retry_creates(
    deployment: Deployment, proxy: DatabaseProxy
) -> None:
    async with deployment.serve() as first:
        await deployment.client(first).created(email="warm@example.com")
        before = await deployment.stored()
        proxy.questions.close()
        request = asyncio.create_task(deployment.client(first).create(KEY))
        await proxy.questions.holding()
        await first.kill()
        proxy.cut()
        await has_no_answer(request)
    proxy.questions.open()
    assert await deployment.stored() == before
    async with deployment.serve() as second:
        retried = await deployment.client(second).create(KEY)
    assert retried.status == 201
    assert "Idempotent-Replayed" not in retried.headers
    assert await deployment.versions(retried.json()["id"]) == [1]


async def test_a_create_killed_after_commit_is_answered_by_its_retry(
    deployment: Deployment, proxy: DatabaseProxy
) -> None:
    async with deployment.serve() as first:
        await deployment.client(first).created(email="warm@example.com")
        before = await deployment.stored()
        proxy.answers.close()
        request = asyncio.create_task(deployment.client(first).create(KEY))
        await proxy.answers.holding()
        after = await deployment.stored()
        assert after["customer_events"] == before["customer_events"] + 1
        await first.kill()
        await has_no_answer(request)
    proxy.answers.open()
    async with deployment.serve() as second:
        retried = await deployment.client(second).create(KEY)
    assert retried.status == 201
    assert retried.headers["Idempotent-Replayed"] == "true"
    assert await deployment.stored() == after


async def test_a_change_killed_after_commit_is_not_made_twice(
    deployment: Deployment, proxy: DatabaseProxy
) -> None:
    # With one connection that has read and one that has written, a change is two exchanges: load, append.
    async with deployment.serve(read_connections=1) as first:
        client = deployment.client(first)
        customer = await client.created()
        await client.patch(customer["id"], phone="+1234567890")
        proxy.answers.close()
        request = asyncio.create_task(client.patch(customer["id"], KEY | IF_SECOND, name="Jane"))
        await proxy.answers.holding()
        proxy.answers.let_these_through()

        async def is_committed() -> bool:
            return await deployment.versions(customer["id"]) == [1, 2, 3]

        await comes_about(is_committed, what="the commit")
        await first.kill()
        await has_no_answer(request)
    proxy.answers.open()
    async with deployment.serve() as second:
        client = deployment.client(second)
        retried = await client.patch(customer["id"], KEY | IF_SECOND, name="Jane")
    assert (retried.status, retried.version) == (200, 3)
    assert retried.headers["Idempotent-Replayed"] == "true"
    assert await deployment.versions(customer["id"]) == [1, 2, 3]


async def test_an_append_that_arrives_after_its_retry_changes_nothing(
    deployment: Deployment, proxy: DatabaseProxy
) -> None:
    async with deployment.serve() as first:
        await deployment.client(first).created(email="warm@example.com")
        proxy.questions.close()
        request = asyncio.create_task(deployment.client(first).create(KEY))
        await proxy.questions.holding()
        await first.kill()
        await has_no_answer(request)
    # The retry goes past the proxy, while the dead process's statement is still on its way.
    direct = {"database_url": deployment.environment["CUSTOMERS_ADMIN_DATABASE_URL"]}
    async with deployment.serve(**direct) as second:
        retried = await deployment.client(second).create(KEY)
        assert retried.status == 201
        after = await deployment.stored()
        proxy.questions.open()
        await comes_about(lambda: nobody_is_left(deployment), what="the end of the late statement")
        assert await deployment.stored() == after
        again = await deployment.client(second).create(KEY)
    assert again.body == retried.body
    assert again.headers["Idempotent-Replayed"] == "true"


async def has_no_answer(request: asyncio.Task[Answer]) -> None:
    """The client sees its connection break."""
    with pytest.raises(aiohttp.ClientError):
        await request


async def nobody_is_left(deployment: Deployment) -> bool:
    """No connection of the application's role is open any more."""
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND usename = 'customers_app'"
    return not await deployment.operator.select(query)
