"""A stream of last states (events/SUBSCRIBING.md): whatever becomes of NATS and the origin, it ends right."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

import events
from events.stream.jetstream import JetStream
from events.wire.message import STREAM
from service.embedded.nats import EmbeddedNats
from service.embedded.postgres import EmbeddedPostgres
from tests.support.cases import ACME, JOHN
from tests.support.databases import TestDatabase
from tests.support.nats_servers import raw_jetstream
from tests.support.read_models import folded
from tests.support.relaying import Relaying, own_nats
from tests.support.restoring import KEYS, Restoring
from tests.support.serve import comes_about
from tests.support.store import C1, C2, C3, M1, M2, M3, Store, customer_id, make_merchants

pytestmark = pytest.mark.long

LATEST = "CUSTOMERS_LATEST"
NOTICED_SECONDS = 60.0


@pytest.fixture
def restoring(migrated_postgres: EmbeddedPostgres) -> Iterator[Restoring]:
    with own_nats() as server:
        yield Restoring(migrated_postgres, server)


def documented() -> dict[str, Any]:
    """The configuration that the document shows."""
    text = Path(events.__file__).with_name("SUBSCRIBING.md").read_text()
    config: dict[str, Any] = orjson.loads(text.split("```json\n")[1].split("```")[0])
    return config


async def fill(store: Store, first: int) -> None:
    """Customers of two merchants: new ones, changed ones, deleted ones."""
    for number in range(first, first + 20):
        merchant = M1 if number % 3 else M2
        await store.create(customer_id(number), JOHN | {"email": f"{number}@example.com"}, merchant)
        for version in range(number % 4):
            await store.update(customer_id(number), merchant, name=f"Name {version}")
    await store.delete(customer_id(next(number for number in range(first, first + 3) if number % 3)))


async def latest(server: EmbeddedNats) -> dict[str, Any]:
    """What the stream says of each subject, told once."""
    async with raw_jetstream(server.url) as stream:
        count = (await stream.stream_info(LATEST)).state.messages
        subscription = await stream.subscribe("customers.v1.>", stream=LATEST, ordered_consumer=True)
        told = [await subscription.next_msg(timeout=10) for _ in range(count)]
    states = {one.subject: orjson.loads(one.data)["data"] for one in told}
    assert len(states) == len(told)
    return states


async def ends_equal(relaying: Relaying) -> None:
    """Return once the stream says of every customer what the service does."""
    rows = await folded(relaying.store.admin_url, KEYS)
    state = {f"customers.v1.{key[0]}.{key[1]}": orjson.loads(row.body) for key, row in rows.items()}

    async def equals() -> bool:
        return await latest(relaying.server) == state

    await comes_about(equals, NOTICED_SECONDS, "last states that equal the service's")


async def kill(server: EmbeddedNats, *, wiped: bool) -> None:
    """kill -9, and start again; the origin is gone with its files if it is wiped."""
    process = psutil.Process(int((server.directory / "pid").read_text()))
    process.kill()
    await asyncio.to_thread(server.stop)
    if wiped:
        (origin,) = [path for path in server.data.rglob(STREAM) if path.is_dir()]
        shutil.rmtree(origin)
    await asyncio.to_thread(server.start)


async def test_last_states_outlive_a_killed_nats_and_a_wiped_origin(
    restoring: Restoring, database: TestDatabase
) -> None:
    await make_merchants(database, M1, M2, M3)
    async with restoring.on(database) as relaying:
        store = relaying.store
        await fill(store, 20)
        await store.create(C1, ACME, M3)
        await store.create(C2, JOHN, M3)
        await relaying.run()
        async with JetStream.connect(relaying.server.url) as stream:
            await stream.create_stream(documented())
        await ends_equal(relaying)
        await kill(relaying.server, wiped=False)
        await fill(store, 40)
        await relaying.run()
        await ends_equal(relaying)
        await store.erase(C1, M3)
        await relaying.run()
        await kill(relaying.server, wiped=True)
        await store.update(C2, M3, name="While the stream was gone")
        await relaying.run()
        await fill(store, 60)
        await store.create(C3, JOHN | {"email": "c3@example.com"}, M3)
        await relaying.run()
        await ends_equal(relaying)
        assert (await latest(relaying.server))[f"customers.v1.{M3}.{C1}"]["deleted"]
