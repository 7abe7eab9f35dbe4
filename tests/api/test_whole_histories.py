"""Whatever is done to customers: past, history and replay tell what was answered at the time."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.customer import MEMBERS
from events.wire.message import event_name
from service.api_keys import SCOPES
from service.audit.replaying import Outcome, Selection, compare_customers, write_customers
from service.embedded.postgres import EmbeddedPostgres
from tests.support.api import Answer, Client, RunningApi, running_api
from tests.support.asking import creations, patches
from tests.support.databases import fresh_database
from tests.support.model_customer import LINES
from tests.support.worlds import entered

EXAMPLES = 40

lives = st.lists(st.tuples(creations, st.lists(patches, max_size=6), st.booleans()), min_size=1, max_size=3)
"""Customers: how each is created, how it is changed, and whether it is deleted in the end."""

Told = list[Answer]
"""What GET answered at each version."""


def ignored(_: int) -> None:
    """Progress that nobody watches."""


async def live(client: Client, creation: Any, changes: list[Any], ends: bool) -> Told:
    """Do all that, and read after every change that made a version."""
    created = await client.request("POST", "/v1/customers", creation)
    if created.status != 201:  # the email is taken
        return []
    customer_id = created.json()["id"]
    told = [await client.get(customer_id)]

    async def see() -> None:
        answer = await client.get(customer_id)
        if answer.version > len(told):
            told.append(answer)

    for change in changes:
        await client.request("PATCH", f"/v1/customers/{customer_id}", change)
        await see()
    if ends:
        await client.delete(customer_id)
        await see()
    return told


async def history(client: Client, customer_id: str) -> list[Any]:
    """All of it, oldest first, in pages of three."""
    events: list[Any] = []
    path = f"/v1/customers/{customer_id}/history?order=asc&limit=3"
    while True:
        beyond = f"&startingAfter={events[-1]['version']}" if events else ""
        page = (await client.request("GET", path + beyond)).json()
        events += page["data"]
        if not page["hasMore"]:
            return events


def applied(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A customer's members after these changes; each must begin where the members are."""
    flat = {
        **{member: value for member, value in body.items() if not isinstance(value, dict)},
        **{
            f"{member}.{key}": value
            for member, values in body.items()
            if isinstance(values, dict)
            for key, value in values.items()
        },
    }
    for name, change in changes.items():
        assert flat.get(name) == change["from"]
        flat[name] = change["to"]
    address = {line: flat.get(f"address.{line}") for line in LINES}
    metadata = {
        name.removeprefix("metadata."): value
        for name, value in flat.items()
        if name.startswith("metadata.") and value is not None
    }
    return {member: flat.get(member) for member in MEMBERS} | {
        "address": address if any(address.values()) else None,
        "metadata": metadata or None,
    }


async def check_past(client: Client, told: Told) -> None:
    customer_id = told[0].json()["id"]
    path = f"/v1/customers/{customer_id}"
    events = await history(client, customer_id)
    assert [event["version"] for event in events] == list(range(1, len(told) + 1))
    body: dict[str, Any] = {}
    for version, (event, then) in enumerate(zip(events, told, strict=True), 1):
        for query in (f"version={version}", f"asOf={event['recordedAt']}"):
            now = await client.request("GET", f"{path}?{query}")
            assert (now.status, now.body, now.version) == (200, then.body, then.version)
        if event["type"] == event_name("CustomerDeleted"):
            assert then.json()["deleted"]
            assert event["changes"] == {}
        else:
            body = applied(body, event["changes"])
            assert body == {member: then.json()[member] for member in MEMBERS}


async def check_replay(api: RunningApi, lived: list[Told]) -> None:
    chosen, output = Selection(api.merchant_id), BytesIO()
    keys = api.operator.master_keys
    assert await write_customers(
        api.database, keys, chosen, output, ignored, with_tombstones=True
    ) == Outcome(len(lived), [])
    assert output.getvalue().splitlines() == sorted(told[-1].body for told in lived)
    await api.sweep()
    assert await compare_customers(api.database, keys, chosen, ignored) == Outcome(len(lived), [])


async def check(shared: RunningApi, customers: Any) -> None:
    api = await shared.of_new_merchant()
    client = await api.client_with(frozenset(SCOPES))
    lived = [told for customer in customers if (told := await live(client, *customer))]
    for told in lived:
        await check_past(client, told)
    await check_replay(api, lived)


def test_past_history_and_replay_tell_what_was_answered(migrated_postgres: EmbeddedPostgres) -> None:
    with (
        asyncio.Runner() as runner,
        entered(runner, fresh_database(migrated_postgres)) as database,
        entered(runner, running_api(database)) as api,
    ):

        @settings(
            max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
        )
        @given(lives)
        def whatever_happens(customers: Any) -> None:
            runner.run(check(api, customers))

        whatever_happens()
