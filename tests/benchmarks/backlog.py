"""A store full of new customers, and nothing of it published: what waits for relay and worker.

Comes in: a name for the database. Goes out: its customers, as many as the plan says. They are appended here,
through the event store itself; only what comes after that is measured.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from events.customer import Customer
from events.database import Database
from events.store import Change, EventStore
from service import clock
from service.email_address import email_key
from tests.benchmarks.bench import Bench
from tests.benchmarks.customers import CREATE
from tests.benchmarks.errors import BenchmarkFailed
from tests.benchmarks.load import NUMBER, RUN
from tests.benchmarks.ours import APPLICATION_ROLE, master_keys, prepare

AT_ONCE = 256
EXAMPLE = json.loads(CREATE)


class Known(NamedTuple):
    """A customer that is in the store."""

    merchant_id: str
    customer_id: str


async def fill(bench: Bench, name: str) -> list[Known]:
    """Make a database of this name with the plan's backlog of new customers, spread over its merchants."""
    merchants = list(await prepare(bench.databases, bench.directory, bench.plan.merchants, name))
    keys = master_keys(bench.directory)
    url = bench.databases.url(name, APPLICATION_ROLE)
    numbers = iter(range(bench.plan.backlog))
    with bench.console.status(f"{name}: creating {bench.plan.backlog:,} customers"):
        async with Database.connect(url) as database, EventStore.open(url, database, keys) as store:
            shares = await asyncio.gather(*(_create(store, merchants, numbers) for _ in range(AT_ONCE)))
    return [known for share in shares for known in share]


async def _create(store: EventStore, merchants: list[str], numbers: Iterator[int]) -> list[Known]:
    made = []
    for number in numbers:
        merchant_id = merchants[number % len(merchants)]
        email = str(EXAMPLE["email"]).replace(RUN, "backlog").replace(NUMBER, str(number))
        values = EXAMPLE | {"email": email}
        customer = Customer.create(clock.new_customer_id(), merchant_id, values, clock.now())
        change = Change(customer, None, _metadata(), 201, email_claim=email_key(email))
        outcome = await store.append(change)
        if outcome.kind != "appended":
            raise BenchmarkFailed(f"the store answered a create with {outcome.kind}")
        made.append(Known(merchant_id, customer.id))
    return made


def _metadata() -> bytes:
    """What the API records with an event."""
    recorded = {
        "actor": "key_benchmark",
        "requestId": clock.new_request_id(),
        "commandId": clock.new_command_id(),
    }
    return orjson.dumps(recorded)
