"""Who subscribes by the AsyncAPI document alone gets a merchant's events, all, in order, and goes on."""

from __future__ import annotations

import json
import re
from typing import Any

import nats
from nats.aio.client import Client

from service.asyncapi.document import document
from tests.support.cases import ACME, JOHN
from tests.support.relaying import Relaying, own_nats
from tests.support.store import C1, C2, M1, M2, Store

DOCUMENT = document()
TEXT = DOCUMENT["info"]["description"]
NAME = "crm"


def said(text: str) -> str:
    """With the reader's own names."""
    return text.replace("<name>", NAME).replace("<merchantId>", M1)


async def make_consumer(client: Client) -> None:
    """As the document says."""
    [configuration] = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    [subject] = re.findall(r"`(\$JS\.API\.CONSUMER\.CREATE[^`]*)`", TEXT)
    answer = await client.request(said(subject), said(configuration).encode(), timeout=5)
    made = json.loads(answer.data)
    assert "error" not in made, made
    asked = json.loads(said(configuration))["config"]
    assert {name: made["config"][name] for name in asked} == asked


async def pull(client: Client, count: int) -> list[Any]:
    """The next messages, acknowledged."""
    subscription = await client.jetstream().pull_subscribe_bind(NAME, "CUSTOMERS")
    messages = await subscription.fetch(count, timeout=5)
    for message in messages:
        await message.ack_sync()
    return messages


async def test_a_subscriber_made_by_the_document_gets_a_merchant_s_events_in_order(store: Store) -> None:
    with own_nats() as server:
        relaying = Relaying(store, server)
        await store.create(C1, JOHN)
        await store.create(C2, JOHN, M2)
        await store.update(C1, name="Johnny")
        await store.create(C2, ACME)
        await store.delete(C1)
        await relaying.run()
        client = await nats.connect(server.url, allow_reconnect=False)
        try:
            await make_consumer(client)
            first = await pull(client, 2)
            await make_consumer(client)
            messages = first + await pull(client, 2)
        finally:
            await client.close()
    positions = [int(message.headers["ce-sequence"]) for message in messages]
    assert positions == [1, 2, 3, 4]
    address = DOCUMENT["channels"]["customers"]["address"].replace("{merchantId}", M1)
    assert {message.subject for message in messages} == {
        address.replace("{customerId}", customer) for customer in (C1, C2)
    }
    hashes = [(message.headers["ce-prevhash"], message.headers["ce-hash"]) for message in messages]
    assert [previous for previous, _ in hashes[1:]] == [hash_ for _, hash_ in hashes[:-1]]
    types = [message.headers["ce-type"] for message in messages]
    assert types == ["customer.created", "customer.updated", "customer.created", "customer.deleted"]
    assert set(types) < set(DOCUMENT["channels"]["customers"]["messages"])
