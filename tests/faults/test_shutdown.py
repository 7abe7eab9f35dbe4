"""SIGTERM (F4): requests under way are finished, the exit status is 0, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import aiohttp

from tests.support.api import Client
from tests.support.database_proxy import DatabaseProxy
from tests.support.deployment import Deployment
from tests.support.ledger import check_ledger
from tests.support.load import Load
from tests.support.serve import Serve, comes_about


async def test_a_write_under_way_is_finished_and_answered(
    deployment: Deployment, proxy: DatabaseProxy
) -> None:
    async with deployment.serve() as serve:
        client = deployment.client(serve)
        await client.created(email="warm@example.com")
        proxy.answers.close()
        request = asyncio.create_task(client.create())
        await proxy.answers.holding()
        serve.terminate()
        await comes_about(lambda: is_closed(client), what="the end of the listener")
        assert not request.done()
        proxy.answers.open()
        answer = await request
        assert answer.status == 201
        assert await serve.ended() == 0
        assert "Traceback" not in serve.said()
    assert await deployment.versions(answer.json()["id"]) == [1]


async def test_connections_that_are_still_open_learn_that_it_is_stopping(
    deployment: Deployment, proxy: DatabaseProxy
) -> None:
    async with deployment.serve() as serve, AsyncExitStack() as open_connections:
        client = deployment.client(serve)
        await client.created(email="warm@example.com")
        readiness = open_connections.enter_context(kept_connection(serve))
        customers = open_connections.enter_context(kept_connection(serve))
        proxy.answers.close()
        request = asyncio.create_task(client.create())
        await proxy.answers.holding()
        serve.terminate()
        await comes_about(lambda: is_closed(client), what="the end of the listener")
        assert ask(readiness, "/readyz").status == 503
        refused = ask(customers, "/v1/customers")
        assert (refused.status, refused.headers["Connection"]) == (401, "close")
        proxy.answers.open()
        assert (await request).status == 201
        assert await serve.ended() == 0


async def test_a_body_under_way_may_still_arrive(deployment: Deployment) -> None:
    arrives = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"email": "slow@example.com", '
        await arrives.wait()
        yield b'"name": "Slow Body"}'

    async with deployment.serve(shutdown_seconds=2) as serve:
        client = deployment.client(serve)
        request = asyncio.create_task(client.request("POST", "/v1/customers", content=body()))
        await comes_about(lambda: has_clients(serve, 1), what="the request")
        await client.get("cus_01jd4q8w9zexampxexampxe000")
        serve.terminate()
        await comes_about(lambda: is_closed(client), what="the end of the listener")
        arrives.set()
        assert (await request).status == 201
        assert await serve.ended() == 0


async def test_a_body_that_never_arrives_does_not_hold_up_the_end(deployment: Deployment) -> None:
    async with deployment.serve(shutdown_seconds=0.5) as serve:
        connection = connect(serve)
        head = f"POST /v1/customers HTTP/1.1\r\nHost: x\r\nX-API-Key: {deployment.key}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        await comes_about(lambda: has_clients(serve, 1), what="the request")
        serve.terminate()
        assert await serve.ended(seconds=5) == 0
        connection.close()


async def test_an_idle_connection_does_not_hold_up_the_end(deployment: Deployment) -> None:
    async with deployment.serve(shutdown_seconds=10) as serve:
        connection = connect(serve)
        await deployment.client(serve).created()  # leaves another one, kept alive
        await comes_about(lambda: has_clients(serve, 2), what="both connections")
        serve.terminate()
        assert await serve.ended(seconds=3) == 0
        connection.close()


async def test_a_rolling_restart_under_load_loses_and_doubles_nothing(deployment: Deployment) -> None:
    async with deployment.serve() as first, deployment.serve() as second:
        load = Load(deployment.client(first))
        async with load.running(writers=16):
            await load.has_written(300)
            load.client = deployment.client(second)
            first.terminate()
            assert await first.ended() == 0
            await load.has_written(300)
        assert set(load.statuses) <= {200, 201}, load.statuses
        assert "unexpected_error" not in first.said() + second.said()
        await load.is_stored_once(deployment)
    await check_ledger(deployment.environment["CUSTOMERS_ADMIN_DATABASE_URL"])


async def is_closed(client: Client) -> bool:
    """Whether the process takes no new connections; asked without the database, which may be held back."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{client.url}/healthz"):
            return False
    except aiohttp.ClientConnectionError:
        return True


async def has_clients(serve: Serve, count: int) -> bool:
    """Whether so many clients are connected with the process."""
    return serve.clients() >= count


def connect(serve: Serve) -> socket.socket:
    """A connection on which nothing has been sent yet."""
    where = urlsplit(serve.url)
    return socket.create_connection((where.hostname, where.port), timeout=10)


@contextmanager
def kept_connection(serve: Serve) -> Iterator[HTTPConnection]:
    """A connection that has had one answer and is kept for more."""
    with closing(HTTPConnection(urlsplit(serve.url).netloc, timeout=10)) as connection:
        assert ask(connection, "/healthz").status == 200
        yield connection


def ask(connection: HTTPConnection, path: str) -> HTTPResponse:
    """The answer to a GET without a key; its body is read, so that the connection may go on."""
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer
