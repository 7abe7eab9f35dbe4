"""The service's parts and a subscriber at work, end to end, as the users of deploy/nats."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from nats.aio.client import Client

from deploy.make_secrets import USERS, make_secrets
from deploy.nats.add_subscriber import OURS, NotAdded, add_subscriber
from events.errors import BrokerUnavailable
from events.stream.jetstream import JetStream
from events.stream.nkeys import make_seed, public_key
from events.wire.message import STREAM, subject_of
from tests.support.api import Client as ApiClient
from tests.support.billing import charge
from tests.support.databases import TestDatabase
from tests.support.deployment import Deployment, deployed
from tests.support.directories import short_directory
from tests.support.nats_accounts import Guarded, guarded_nats
from tests.support.nats_requests import stream_named
from tests.support.serve import comes_about, customers_works
from tests.support.store import M1, M2
from tests.support.terminal import CommandLine

JOHN = {"email": "john@example.com", "name": "John"}


@pytest.fixture
def server() -> Iterator[Guarded]:
    with short_directory() as directory, guarded_nats(directory, {}) as started:
        yield started


def environment(server: Guarded, user: str) -> dict[str, str]:
    """What compose.yaml gives this part of the service."""
    return {"CUSTOMERS_NATS_URL": server.url, "CUSTOMERS_NATS_SEED_FILE": str(server.seed_file(user))}


async def events_of(client: Client, merchant_id: str, durable: str, count: int) -> list[str]:
    """So many events, by nats-py's own way, as a stranger would write it; the customers' ids."""
    subscription = await client.jetstream().pull_subscribe(
        subject_of(merchant_id, ">"), durable=durable, stream=STREAM
    )
    received: list[str] = []
    while len(received) < count:
        for message in await subscription.fetch(count, timeout=10):
            assert message.subject.startswith(f"customers.v1.{merchant_id}.")
            received.append(message.subject.rpartition(".")[2])
            await message.ack_sync(timeout=10)
    info = await subscription.consumer_info()
    assert (info.num_pending, info.num_ack_pending) == (0, 0)
    return received


async def test_from_a_create_to_lists_statistics_and_subscribers(
    database: TestDatabase, server: Guarded, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with deployed(database) as deployment, deployment.serve() as serve:
        other_id = await deployment.operator.merchant()
        _, other_key = await deployment.operator.key(other_id)
        server.add("crm", deployment.merchant_id)
        server.add("mail", other_id)
        server.reload()
        for name, value in environment(server, "streams").items():
            monkeypatch.setenv(name, value)
        assert await command_line.run("streams") == "made CHARGES and INVOICES"
        assert await command_line.run("streams") == "CHARGES and INVOICES are there"

        async with (
            customers_works(deployment.environment | environment(server, "relay"), "relay"),
            customers_works(deployment.environment | environment(server, "workers"), "project"),
        ):
            client = deployment.client(serve)
            other = ApiClient(deployment.session, serve.url, other_key)
            await other.created(email="jane@example.com", name="Jane")
            customer_id = (await client.created(**JOHN))["id"]
            async with server.client("crm") as crm, server.client("mail") as mail:
                assert await events_of(crm, deployment.merchant_id, "crm", 1) == [customer_id]
                assert customer_id not in await events_of(mail, other_id, "mail", 1)
            await publish_charge(server, deployment, customer_id)

            async def is_listed_with_its_charge() -> bool:
                page = (await client.request("GET", "/v1/customers?expand=stats")).json()
                return [(one["id"], one["chargeCount"]) for one in page["data"]] == [(customer_id, 1)]

            await comes_about(is_listed_with_its_charge)


async def publish_charge(server: Guarded, deployment: Deployment, customer_id: str) -> None:
    event = charge(customer=customer_id, merchant=deployment.merchant_id)
    async with JetStream.connect(server.broker("charges")) as charges:
        await charges.publish("charges.x", orjson.dumps(event))


async def test_checkpoints_reach_their_merchants_subscriber(server: Guarded) -> None:
    server.add("crm", M1)
    server.reload()
    async with server.client("crm") as crm:
        heard = await crm.subscribe("checkpoints.v1.*")
        await crm.flush()
        async with JetStream.connect(server.broker("relay")) as relay:
            await relay.tell(f"checkpoints.v1.{M2}", b"of another")
            await relay.tell(f"checkpoints.v1.{M1}", b"theirs")
        message = await heard.next_msg(timeout=10)
        assert (message.subject, message.data) == (f"checkpoints.v1.{M1}", b"theirs")
        assert heard.pending_msgs == 0


async def test_a_subscriber_is_added_while_others_are_at_work(server: Guarded) -> None:
    async with JetStream.connect(server.broker("relay")) as relay:
        assert await relay.stream(STREAM) is None
        server.add("crm", M1)
        with pytest.raises(BrokerUnavailable, match="does not know us"):
            async with JetStream.connect(server.broker("crm")):
                pass
        server.reload()
        await relay.create_stream(stream_named(STREAM))  # on the connection that it had
        await relay.publish(subject_of(M1, "c"), b"{}")
        async with server.client("crm") as crm:
            assert await events_of(crm, M1, "crm", 1) == ["c"]


def test_a_subscriber_with_a_key_of_their_own_leaves_no_secret_here(server: Guarded) -> None:
    key = public_key(make_seed(bytes(32)))
    assert len(server.add("crm", M1, key=key)) == 2
    assert not server.seed_file("crm").exists()
    assert key in (server.configuration / "subscribers" / "crm.conf").read_text()


def test_a_second_run_changes_nothing_and_completes_what_was_interrupted(tmp_path: Path) -> None:
    (tmp_path / "subscribers.conf").write_text("# who\n")
    assert len(add_subscriber(tmp_path, tmp_path / "kept", "crm", M1, None)) == 3
    whole = (tmp_path / "subscribers.conf").read_text()
    assert add_subscriber(tmp_path, tmp_path / "kept", "crm", M1, None) == []
    (tmp_path / "subscribers.conf").write_text("# who\n")
    assert len(add_subscriber(tmp_path, tmp_path / "kept", "crm", M1, None)) == 1
    assert (tmp_path / "subscribers.conf").read_text() == whole
    (tmp_path / "subscribers" / "crm.conf").unlink()
    assert len(add_subscriber(tmp_path, tmp_path / "kept", "crm", M1, None)) == 1
    assert (tmp_path / "subscribers.conf").read_text() == whole


@pytest.mark.parametrize(
    ("name", "merchant_id", "key"),
    [
        ("crm.*", M1, None),
        (">", M1, None),
        ("Crm", M1, None),
        ("", M1, None),
        ("../crm", M1, None),
        ("crm }", M1, None),
        ("customers-read-model", M1, None),
        ("relay", M1, None),  # whose seed would be theirs
        ("charges", M1, public_key(make_seed(bytes(32)))),
        ("crm", "*", None),
        ("crm", ">", None),
        ("crm", f"{M1}.*", None),
        ("crm", M1, "hunter2"),
        ("crm", M1, make_seed(bytes(32))),
    ],
)
def test_what_would_open_more_is_no_subscriber(
    tmp_path: Path, name: str, merchant_id: str, key: str | None
) -> None:
    (tmp_path / "subscribers.conf").write_text("")
    with pytest.raises(NotAdded):
        add_subscriber(tmp_path, tmp_path / "kept", name, merchant_id, key)
    assert [file.name for file in tmp_path.iterdir()] == ["subscribers.conf"]


def test_a_subscriber_of_another_merchant_does_not_get_the_name(tmp_path: Path) -> None:
    (tmp_path / "subscribers.conf").write_text("")
    add_subscriber(tmp_path, tmp_path / "kept", "crm", M1, None)
    with pytest.raises(NotAdded, match="says something else"):
        add_subscriber(tmp_path, tmp_path / "kept", "crm", M2, None)


@pytest.mark.parametrize("whose", ["relay", "crm"])
def test_a_key_that_somebody_has_is_refused(tmp_path: Path, whose: str) -> None:
    """NATS would not start with it."""
    nats, kept = tmp_path / "nats", tmp_path / "kept"
    nats.mkdir()
    (nats / "subscribers.conf").write_text("")
    make_secrets(kept)
    add_subscriber(nats, kept, "crm", M1, None)
    key = public_key((kept / f"nats_{whose}_seed").read_text())
    with pytest.raises(NotAdded, match="key of their own"):
        add_subscriber(nats, kept, "mail", M2, key)
    assert [file.name for file in (nats / "subscribers").iterdir()] == ["crm.conf"]
    assert "mail" not in (nats / "subscribers.conf").read_text()


def test_names_of_our_own_users_are_refused() -> None:
    assert set(USERS) < OURS


async def test_a_wrong_key_is_told_and_tried_again(database: TestDatabase, server: Guarded) -> None:
    async with deployed(database) as deployment:
        wrong = environment(server, "relay") | {"CUSTOMERS_NATS_SEED_FILE": str(server.secrets / "wrong")}
        (server.secrets / "wrong").write_text(make_seed(bytes(32)))
        async with customers_works(deployment.environment | wrong, "relay") as relay:

            async def is_told() -> bool:
                return "it does not know us" in await asyncio.to_thread(relay.said)

            await comes_about(is_told)
            assert relay.process.returncode is None
            assert "Traceback" not in relay.said()
            assert make_seed(bytes(32)) not in relay.said()
