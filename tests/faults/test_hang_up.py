"""A client that hangs up mid-request (F3): the write completes, and nothing of the request is left behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import orjson
import pytest_asyncio

from tests.support.api import JOHN, Client, Operator
from tests.support.database_proxy import DatabaseProxy
from tests.support.deployment import Deployment
from tests.support.ledger import check_ledger
from tests.support.serve import Serve, comes_about

MANY = 100
KEY = {"Idempotency-Key": "the-one"}


@pytest_asyncio.fixture
async def serve(deployment: Deployment) -> AsyncIterator[Serve]:
    async with deployment.serve() as made:
        yield made


async def test_a_write_completes_although_its_client_hung_up(
    deployment: Deployment, serve: Serve, proxy: DatabaseProxy
) -> None:
    client = deployment.client(serve)
    await client.created(email="warm@example.com")
    proxy.answers.close()
    hanging = send(client, message(client, orjson.dumps(JOHN), "Idempotency-Key: the-one"))
    await proxy.answers.holding()
    hanging.close()
    proxy.answers.open()
    retried = await client.create(KEY)
    assert retried.status == 201
    assert retried.headers["Idempotent-Replayed"] == "true"
    assert await deployment.versions(retried.json()["id"]) == [1]


async def test_a_write_that_waited_in_line_completes_although_its_client_hung_up(
    deployment: Deployment, serve: Serve, proxy: DatabaseProxy
) -> None:
    client = deployment.client(serve)
    await client.created(email="warm@example.com")
    proxy.questions.close()
    first = asyncio.create_task(client.create())
    await proxy.questions.holding()
    behind = [send(client, creation(client, number)) for number in range(MANY)]
    await has_been_read(client)
    for hanging in behind:
        hanging.close()
    proxy.questions.open()
    assert (await first).status == 201
    await comes_about(lambda: has_events(deployment.operator, MANY + 2), what="every customer")


async def test_a_request_that_breaks_off_stores_nothing_and_is_no_error_of_ours(
    deployment: Deployment, serve: Serve
) -> None:
    client = deployment.client(serve)
    await client.created(email="warm@example.com")
    before = await deployment.stored()
    for cut in (10, 60, 200, -20, -1):
        hanging = send(client, creation(client, 0)[:cut])
        await has_been_read(client)
        hanging.close()
    await comes_about(lambda: has_only_its_client(serve), what="the end of the broken connections")
    assert await deployment.stored() == before
    assert '"level": "error"' not in serve.said()
    assert "unexpected_error" not in serve.said()


async def test_hanging_up_leaves_no_descriptors_connections_or_locks(
    deployment: Deployment, serve: Serve
) -> None:
    client = deployment.client(serve)
    customer = await client.created()
    hang_up_often(client, customer["id"])
    assert (await client.patch(customer["id"], name="after the first round")).status == 200
    await comes_about(lambda: has_only_its_client(serve), what="the end of the first round")
    descriptors, backends = serve.inside.num_fds(), await count_backends(deployment.operator)
    hang_up_often(client, customer["id"])
    await comes_about(lambda: has_only_its_client(serve), what="the end of the second round")
    # Had a request died with its customer's lock, this would wait for ever.
    assert (await client.patch(customer["id"], name="after the second round")).status == 200
    assert serve.inside.num_fds() <= descriptors
    assert await count_backends(deployment.operator) <= backends
    assert "unexpected_error" not in serve.said()
    serve.terminate()
    assert await serve.ended() == 0
    await check_ledger(deployment.environment["CUSTOMERS_ADMIN_DATABASE_URL"])


def hang_up_often(client: Client, customer_id: str) -> None:
    """Requests of each method whose clients do not stay for the answer."""
    path = f"/v1/customers/{customer_id}"
    for number in range(MANY):
        body = orjson.dumps({"metadata": {"number": str(number)}})
        for text in (
            message(client, body, method="PATCH", path=path),
            message(client, b"", method="GET", path=path),
            creation(client, number),
        ):
            send(client, text).close()


def creation(client: Client, number: int) -> bytes:
    """A whole POST of a customer."""
    return message(client, orjson.dumps({"email": f"hung-up-{number}@example.com", "name": "Hung Up"}))


def message(
    client: Client, body: bytes, *headers: str, method: str = "POST", path: str = "/v1/customers"
) -> bytes:
    """A request as it goes over the wire."""
    lines = (
        f"{method} {path} HTTP/1.1",
        f"Host: {urlsplit(client.url).netloc}",
        f"X-API-Key: {client.key}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode() + body


def send(client: Client, text: bytes) -> socket.socket:
    """Send these bytes on a connection of their own, which the caller closes."""
    where = urlsplit(client.url)
    connection = socket.create_connection((where.hostname, where.port), timeout=10)
    connection.sendall(text)
    return connection


async def has_been_read(client: Client) -> None:
    """What came before this has been read when this is answered: one loop serves all connections in turn."""
    for _ in range(2):
        assert (await client.request("GET", "/healthz")).status == 200


async def has_only_its_client(serve: Serve) -> bool:
    """Whether all that hung up are gone, and the test's own kept-alive connection alone is left."""
    return serve.clients() <= 1


async def has_events(operator: Operator, count: int) -> bool:
    """Whether so many events are stored."""
    rows = await operator.select("SELECT count(*) AS count FROM events.customer_events")
    return bool(rows[0]["count"] == count)


async def count_backends(operator: Operator) -> int:
    """Connections that the application's role has."""
    query = (
        "SELECT count(*) AS count FROM pg_stat_activity "
        "WHERE datname = current_database() AND usename = 'customers_app'"
    )
    return int((await operator.select(query))[0]["count"])
