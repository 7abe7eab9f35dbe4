"""Who may do what on NATS with the configuration of deploy/nats: each permission, and each refusal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_asyncio
from nats.errors import Error as NatsError

from events.errors import BrokerUnavailable
from events.randomness import random_bytes
from events.stream.broker import Broker
from events.stream.jetstream import JetStream
from events.stream.nkeys import make_seed
from events.wire.message import STREAM, subject_of
from tests.support.directories import short_directory
from tests.support.nats_accounts import Guarded, connected, guarded_nats
from tests.support.nats_requests import CONSUMERS, CREATE, NEXT, answered, is_answered, make_all, requests
from tests.support.store import M1, M2


def of_subscriber(name: str, merchant_id: str) -> set[str]:
    return {
        f"{CREATE}.{STREAM}.{name}.{subject_of(merchant_id, '>')}",
        f"$JS.API.CONSUMER.INFO.{STREAM}.{name}",
        f"$JS.API.CONSUMER.DELETE.{STREAM}.{name}",
        f"{NEXT}.{STREAM}.{name}",
    }


def of_streams(*operations: str) -> set[str]:
    return {
        f"$JS.API.STREAM.{operation}.{stream}"
        for operation in operations
        for stream in ("CHARGES", "INVOICES")
    }


MAY = {
    "relay": {
        "customers.v1.x.y",
        *(f"$JS.API.STREAM.{one}.{STREAM}" for one in ("CREATE", "UPDATE", "INFO", "MSG.GET", "MSG.DELETE")),
    },
    "workers": {
        f"{operation}.{stream}.{name}"
        for operation in (CREATE, NEXT)
        for name, (stream, filtered) in CONSUMERS.items()
        if filtered is None
    },
    "streams": of_streams("CREATE", "UPDATE", "INFO"),
    "charges": {"charges.x"},
    "invoices": {"invoices.x"},
    "crm": of_subscriber("crm", M1),
    "mail": of_subscriber("mail", M2),
}
"""By user: all requests that are answered; every other one of `requests()` is refused."""


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with short_directory() as directory, guarded_nats(directory, {"crm": M1, "mail": M2}) as started:
        yield started


@pytest_asyncio.fixture
async def ready(server: Guarded) -> Guarded:
    await make_all(server)
    return server


@pytest.mark.parametrize("user", MAY)
async def test_each_user_is_answered_what_is_theirs_and_nothing_else(ready: Guarded, user: str) -> None:
    async with ready.client(user) as client:
        assert await answered(client) == MAY[user]


async def test_every_request_of_the_table_is_answered_where_nothing_is_refused() -> None:
    """Else the table would prove nothing."""
    with short_directory() as directory:
        server = Guarded(directory)
        (server.configuration / "nats.conf").write_text("jetstream: {store_dir: $NATS_DATA}\n")
        server.start()
        try:
            async with connected(Broker(server.url)) as client:
                for subject, body in requests().items():
                    if subject.startswith("$JS.API.STREAM.CREATE"):
                        assert await is_answered(client, subject, body)
                assert set(requests()) - await answered(client) == set()
        finally:
            server.stop()


@pytest.mark.parametrize(
    "broker",
    [Broker(""), Broker("", user="relay", password="hunter2"), Broker("", seed=make_seed(random_bytes(32)))],
)
async def test_whoever_is_not_known_is_not_let_in(ready: Guarded, broker: Broker) -> None:
    stranger = Broker(ready.url, user=broker.user, password=broker.password, seed=broker.seed)
    with pytest.raises(BrokerUnavailable, match=r"it asks who we are|it does not know us") as refused:
        async with JetStream.connect(stranger):
            pass
    assert "hunter2" not in str(refused.value)


async def test_the_public_key_alone_does_not_let_in(ready: Guarded) -> None:
    with pytest.raises((BrokerUnavailable, NatsError)):
        async with JetStream.connect(Broker(ready.url, user=ready.environment["NATS_RELAY"], password="")):
            pass
