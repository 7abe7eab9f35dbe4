"""The subscriber's file under exactly the rights that its README names, on a real server."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

import pytest
import pytest_asyncio

from deploy.subscriber import customer_events
from deploy.subscriber.customer_events import CustomerEvents
from events.stream.jetstream import _Client
from events.wire.message import STREAM
from service.embedded.nats import EmbeddedNats
from service.embedded.nats_program import greeting, program
from tests.support import nats_accounts
from tests.support.api import client_session, operating
from tests.support.databases import TestDatabase
from tests.support.directories import short_directory
from tests.support.nats_servers import raw_jetstream
from tests.support.subscriber import Publisher, positions, publishing, take
from tests.support.waiting import eventually

CONFIGURATION = """
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{data}" }}
authorization {{ users: [
  {{user: owner, password: owner}}
  {{user: crm, password: crm, permissions: {{
    publish: [
      "$JS.API.CONSUMER.INFO.CUSTOMERS.crm"
      "$JS.API.CONSUMER.CREATE.CUSTOMERS.crm.customers.v1.{merchant_id}.>"
      "$JS.API.CONSUMER.MSG.NEXT.CUSTOMERS.crm"
      "$JS.ACK.CUSTOMERS.crm.>"
    ]
    subscribe: "_INBOX_crm.>"
  }}}}
] }}
"""


class Guarded(EmbeddedNats):
    """A server with users, who may do what the test says; its `url` is the owner's."""

    def __init__(self, directory: Path, merchant_id: str) -> None:
        super().__init__(directory)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.config = directory / "guarded.conf"
        self.config.write_text(
            CONFIGURATION.format(port=self.port, data=directory / "data", merchant_id=merchant_id)
        )

    @property
    def url(self) -> str:
        return f"nats://owner:owner@127.0.0.1:{self.port}"


@contextmanager
def guarded_nats(merchant_id: str) -> Iterator[Guarded]:
    """A server for a block."""
    with short_directory() as directory:
        made = Guarded(directory, merchant_id)
        process = Popen([program(), "--config", made.config], stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        try:
            eventually(lambda: greeting(made.port).get("jetstream") is True, what="a server with users")
            yield made
        finally:
            process.kill()
            process.wait()


@pytest_asyncio.fixture
async def publisher(database: TestDatabase) -> AsyncIterator[Publisher]:
    async with operating(database) as operator, client_session() as session:
        merchant_id = await operator.merchant()
        _, key = await operator.key(merchant_id)
        with guarded_nats(merchant_id) as server:
            planned = Publisher(database, operator, session, server, merchant_id, key)
            async with publishing(database, server, like=planned) as made:
                yield made


def as_user(publisher: Publisher, name: str, **options: Any) -> CustomerEvents:
    """A subscriber that logs in under this name."""
    user = {"user": name, "password": name, "inbox_prefix": "_INBOX_crm"}
    return publisher.subscriber(
        nats=publisher.nats.url.replace("owner:owner@", ""), nats_options=user, **options
    )


async def test_the_four_rights_are_enough(publisher: Publisher) -> None:
    await publisher.create(3)
    await publisher.has_relayed()
    for after in (0, None):
        async with as_user(publisher, "crm", after=after) as events:
            told = await take(events, 3) if after == 0 else []
            told += await publisher.told_by_nats(events)
        await publisher.has_relayed()
        await publisher.has_acknowledged(told[-1].position)
        assert all(event.hash for event in told)


async def test_another_durable_is_not_ones_own_and_the_feed_tells_instead(
    publisher: Publisher, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_events, "ANSWER_SECONDS", 0.5)
    await publisher.create(2)
    async with as_user(publisher, "crm", durable="billing") as events:
        assert positions(await take(events, 2)) == [1, 2]
    assert "permissions violation" in caplog.text.lower()


async def test_a_wrong_password_is_told_without_the_password_and_the_feed_tells_instead(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    await publisher.create(2)
    wrong = {"user": "crm", "password": "a-wrong-secret"}
    url = publisher.nats.url.replace("owner:owner@", "")
    async with publisher.subscriber(nats=url, nats_options=wrong) as events:
        assert positions(await take(events, 2)) == [1, 2]
    assert "authorization violation" in caplog.text.lower()
    assert "a-wrong-secret" not in caplog.text


async def test_a_durable_of_another_merchant_is_left_alone(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    others = await publisher.of_new_merchant()
    await others.create(2)
    await publisher.create(2)
    async with publisher.subscriber() as events:
        assert positions(await take(events, 2)) == [1, 2]
        async with others.subscriber() as theirs:
            assert positions(await take(theirs, 2)) == [1, 2]
    async with raw_jetstream(publisher.nats.url) as raw:
        found = await raw.consumer_info(STREAM, "crm")
    assert found.config.filter_subject == f"customers.v1.{publisher.merchant_id}.>"
    assert "use another name" in caplog.text


async def test_the_accounts_of_deploy_nats_let_it_read(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with operating(database) as operator, client_session() as session:
        merchant_id = await operator.merchant()
        _, key = await operator.key(merchant_id)
        with (
            short_directory() as directory,
            nats_accounts.guarded_nats(directory, {"crm": merchant_id}) as server,
        ):
            crm = server.broker("crm")
            # nats-py signs with a package of its own for nkeys, which the service does without.
            monkeypatch.setattr(customer_events, "Client", partial(_Client, crm))
            publisher = Publisher(database, operator, session, EmbeddedNats(directory), merchant_id, key)
            await publisher.start_api()
            await publisher.start_relay(server.broker("relay"))
            await publisher.create(3)
            await publisher.has_relayed()
            for after in (0, None):
                async with CustomerEvents(
                    nats=server.url,
                    api=publisher.url,
                    api_key=key,
                    merchant_id=merchant_id,
                    durable="crm",
                    after=after,
                    nats_options={"nkeys_seed_str": crm.seed},
                ) as events:
                    told = await take(events, 3) if after == 0 else []
                    told += await publisher.told_by_nats(events)
                    assert all(event.hash for event in told)
            await publisher.stop()
