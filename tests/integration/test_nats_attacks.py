"""What somebody with a key of their own could try against streams and others on NATS (deploy/nats)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg

from events.stream.broker import Broker
from events.stream.jetstream import JetStream
from events.wire.message import STREAM, subject_of
from tests.support.directories import short_directory
from tests.support.nats_accounts import Guarded, connected, guarded_nats
from tests.support.nats_requests import ANSWER_SECONDS, CREATE, NEXT, consumer, is_answered, make_all
from tests.support.store import M1, M2

CRM = f"{CREATE}.{STREAM}.crm.{subject_of(M1, '>')}"
INFO = f"$JS.API.CONSUMER.INFO.{STREAM}.crm"
ELSEWHERE = [
    subject_of(M1, "c"),
    subject_of(M2, "c"),
    "charges.x",
    "invoices.x",
    f"checkpoints.v1.{M2}",
    "$JS.API.STREAM.PURGE.CUSTOMERS",
    "$JS.API.STREAM.DELETE.CHARGES",
    "$JS.ACK.CUSTOMERS.mail.1.2.2.1.0",
    "_INBOX.x",
]
"""Subjects that a subscriber may not publish to."""


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with short_directory() as directory, guarded_nats(directory, {"crm": M1, "mail": M2}) as started:
        yield started


@pytest_asyncio.fixture
async def filled(server: Guarded) -> AsyncIterator[Guarded]:
    """The server with a new event of each merchant, and one charge and invoice."""
    await make_all(server)
    async with JetStream.connect(server.broker("relay")) as relay:
        await relay.publish(subject_of(M1, "c"), b'{"of":1}')
        await relay.publish(subject_of(M2, "c"), b'{"of":2}')
    for user in ("charges", "invoices"):
        async with JetStream.connect(server.broker(user)) as publisher:
            await publisher.publish(f"{user}.x", b"{}")
    yield server


async def ends(server: Guarded) -> dict[str, tuple[int, int]]:
    """By stream: its last sequence, and how many messages it has."""
    found = {}
    for user, streams in (("relay", [STREAM]), ("streams", ["CHARGES", "INVOICES"])):
        async with server.client(user) as client:
            for stream in streams:
                state = (await ask(client, f"$JS.API.STREAM.INFO.{stream}", {}))["state"]
                found[stream] = (state["last_seq"], state["messages"])
    return found


async def ask(client: Client, subject: str, body: object) -> dict[str, Any]:
    answer = await client.request(subject, orjson.dumps(body), timeout=ANSWER_SECONDS, old_style=True)
    said: dict[str, Any] = orjson.loads(answer.data)
    return said


@asynccontextmanager
async def listening(server: Guarded, *users: str) -> AsyncIterator[list[tuple[str, str]]]:
    """Everything that these users hear who listen to everything, as (user, subject)."""
    heard: list[tuple[str, str]] = []
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(server.client(user)) for user in users]
        for user, client in zip(users, clients, strict=True):

            async def hear(message: Msg, user: str = user) -> None:
                heard.append((user, message.subject))

            await client.subscribe(">", cb=hear)
            await client.flush()
        yield heard
        for client in clients:
            await client.flush()


@pytest.mark.parametrize("user", ["crm", "workers", "charges", "invoices", "streams"])
@pytest.mark.parametrize("reply", ELSEWHERE)
async def test_no_answer_can_be_sent_elsewhere(filled: Guarded, user: str, reply: str) -> None:
    asked = {
        "crm": [INFO, f"{NEXT}.{STREAM}.crm"],
        "workers": [f"{NEXT}.{STREAM}.customers-read-model", f"{CREATE}.{STREAM}.customers-read-model"],
        "streams": ["$JS.API.STREAM.INFO.CHARGES"],
    }.get(user, ["nothing.x"])
    before = await ends(filled)
    async with (
        listening(filled, "relay", "mail", "workers" if user != "workers" else "crm") as heard,
        filled.client(user) as client,
    ):
        for subject in asked:
            await client.publish(subject, b'{"batch":10,"no_wait":true}', reply=reply)
        await client.flush()
        if user in {"charges", "invoices"}:
            await client.publish(f"{user}.x", b"{}", reply=reply)
            await client.flush()
    after = await ends(filled)
    if user in {"charges", "invoices"} and not reply.startswith("$JS.ACK"):  # these are refused as replies
        sequence, messages = before[user.upper()]
        before[user.upper()] = (sequence + 1, messages + 1)
    assert after == before
    assert heard == []


async def test_in_one_account_an_answer_can_be_sent_anywhere() -> None:
    """Why permissions within one account are not enough: who may only read makes the server publish."""
    permissions = f"""
        publish: {{allow: ["{INFO}"]}}
        subscribe: {{allow: ["_INBOX_crm.>"]}}"""
    text = f"""
        jetstream: {{store_dir: $NATS_DATA}}
        authorization: {{users: [
            {{user: owner, password: owner}}
            {{user: crm, password: crm, permissions: {{{permissions}}}}}
        ]}}"""
    with short_directory() as directory:
        server = Guarded(directory)
        (server.configuration / "nats.conf").write_text(text)
        server.start()
        try:
            async with connected(Broker(server.url, user="owner", password="owner")) as owner:
                stream = owner.jetstream()
                await stream.add_stream(name=STREAM, subjects=["customers.v1.>"])
                assert await is_answered(owner, CRM, consumer(STREAM, "crm", subject_of(M1, ">")))
                async with connected(Broker(server.url, user="crm", password="crm")) as crm:
                    await crm.publish(INFO, b"", reply=subject_of(M2, "c"))
                    await crm.flush()
                assert (await stream.stream_info(STREAM)).state.messages == 1
        finally:
            server.stop()


@pytest.mark.parametrize("deliver_subject", ELSEWHERE)
async def test_a_push_consumer_reaches_nobody(filled: Guarded, deliver_subject: str) -> None:
    before = await ends(filled)
    async with (
        listening(filled, "relay", "mail", "workers", "charges", "streams") as heard,
        filled.client("crm") as client,
    ):
        await ask(client, f"$JS.API.CONSUMER.DELETE.{STREAM}.crm", {})
        pushing = consumer(STREAM, "crm", subject_of(M1, ">"), deliver_subject=deliver_subject)
        made = await ask(client, CRM, pushing)
        assert not made.get("push_bound")  # nobody hears it, so nothing is sent
        await is_answered(client, f"$JS.API.CONSUMER.DELETE.{STREAM}.crm", {})
    assert await ends(filled) == before
    assert heard == []


@pytest.mark.parametrize(
    "change",
    [
        {"filter_subject": subject_of(M2, ">")},
        {"filter_subject": "customers.v1.>"},
        {"filter_subject": ""},
        {"filter_subject": "", "filter_subjects": [subject_of(M2, ">")]},
        {"filter_subjects": [subject_of(M1, ">"), subject_of(M2, ">")]},
        {"name": "mail", "durable_name": "mail"},
        {"durable_name": "customers-read-model"},
        {"name": "a.b", "durable_name": "a.b"},
    ],
)
async def test_a_body_that_says_otherwise_than_its_subject_is_refused(
    filled: Guarded, change: dict[str, object]
) -> None:
    async with filled.client("crm") as client:
        config = {"name": "crm", "durable_name": "crm", "filter_subject": subject_of(M1, ">"), **change}
        answer = await ask(client, CRM, {"stream_name": STREAM, "config": config})
        assert answer["error"]["code"] == 400
        config = (await ask(client, INFO, {}))["config"]
    assert (config["name"], config["filter_subject"]) == ("crm", subject_of(M1, ">"))
    assert "filter_subjects" not in config


async def test_another_stream_in_the_body_is_refused(filled: Guarded) -> None:
    async with filled.client("crm") as client:
        body = {**consumer(STREAM, "crm", subject_of(M1, ">")), "stream_name": "CHARGES"}
        assert (await ask(client, CRM, body))["error"]["code"] == 400


async def test_what_others_have_taken_cannot_be_acknowledged(filled: Guarded) -> None:
    async with filled.client("mail") as mail, filled.client("crm") as crm:
        taken = await mail.request(
            f"{NEXT}.{STREAM}.mail", b'{"batch":1}', timeout=ANSWER_SECONDS, old_style=True
        )
        assert taken.subject == subject_of(M2, "c")
        await crm.publish(taken.reply, b"+ACK")
        await crm.flush()
        of_mail = f"$JS.API.CONSUMER.INFO.{STREAM}.mail"
        assert (await ask(mail, of_mail, {}))["num_ack_pending"] == 1
        await mail.publish(taken.reply, b"+ACK")
        await mail.flush()
        assert (await ask(mail, of_mail, {}))["num_ack_pending"] == 0


async def test_who_listens_to_everything_hears_nothing_of_the_others(filled: Guarded) -> None:
    async with listening(filled, "crm", "mail", "workers", "invoices", "streams") as heard:
        async with JetStream.connect(filled.broker("relay")) as relay:
            await relay.publish(subject_of(M1, "c"), b"{}")
            await relay.stream(STREAM)
            await relay.tell(f"checkpoints.v1.{M1}", b"{}")
            await relay.tell("elsewhere.x", b"{}")
        async with JetStream.connect(filled.broker("charges")) as charges:
            await charges.publish("charges.x", b"{}")
    assert set(heard) == {("crm", f"checkpoints.v1.{M1}")}


async def test_nobody_else_publishes_checkpoints(filled: Guarded) -> None:
    async with listening(filled, "relay", "crm", "mail") as heard:
        for user in ("workers", "charges", "invoices", "streams"):
            async with JetStream.connect(filled.broker(user)) as other:
                await other.tell(f"checkpoints.v1.{M1}", b"{}")
    assert heard == []


@pytest.mark.parametrize("subject", ["$SYS.>", "$SYS.REQ.SERVER.PING", "$JS.FC.>", "$JS.EVENT.ADVISORY.>"])
async def test_the_server_tells_nobody_about_the_others(filled: Guarded, subject: str) -> None:
    async with filled.client("crm") as crm:
        assert not await is_answered(crm, "$SYS.REQ.SERVER.PING", {})
        assert not await is_answered(crm, "$SYS.REQ.ACCOUNT.CUSTOMERS.INFO", {})
        heard = await crm.subscribe(subject)
        async with filled.client("mail") as mail:
            await ask(mail, f"$JS.API.CONSUMER.DELETE.{STREAM}.mail", {})
        await crm.flush()
        assert heard.pending_msgs == 0
