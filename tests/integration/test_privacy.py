"""No personal value and no secret is readable in the store or in a log, however it is encoded.

In: a real server process through which two people live: created, changed over a snapshot, looked up, refused,
one of them deleted. Out: every column of every table and every line of the logs, searched for their values.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from events.sealing import DataKey
from events.store import SNAPSHOT_EVERY
from service.embedded.postgres import EmbeddedPostgres
from tests.support.api import Client, Operator
from tests.support.canary import CHANGED, PERSON, Columns, columns, found_in, readable, texts
from tests.support.databases import fresh_database
from tests.support.deployment import Deployment, deployed
from tests.support.serve import comes_about
from tests.support.sweeping import sweep

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = {"email": "goner@third-canary.example.com", "name": "Goneril Shortlife"}
CLIENTS_KEY = "the-key-of-canary@example.com"
TOLD = {"Idempotency-Key": CLIENTS_KEY, "User-Agent": "canary-agent/1.0", "X-Correlation-Id": "c-1"}
ELSEWHERE = ["nobody@fourth-canary.example.com", "canary-agent/1.0", CLIENTS_KEY]

WHERE_IT_MUST_BE = {
    ("projections.customers", "body"),
    ("projections.customers", "words"),
    ("events.email_claims", "email_key"),
}
"""What is answered, what lists search, and what decides that an email is taken; all end with the customer."""


@dataclass(frozen=True)
class Life:
    """What two lives left: the tables before and after both were deleted, the logs, and the secrets."""

    live: Columns
    gone: Columns
    logs: dict[str, bytes]
    secrets: list[bytes]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def life(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[Life]:
    """Two customers, from their creation to their end."""
    async with fresh_database(migrated_postgres) as database, deployed(database) as deployment:
        async with deployment.serve(log_level="debug") as serve:
            client = deployment.client(serve)
            person, other = await lives(client)
            await comes_about(lambda: has_snapshot(deployment.operator), what="a snapshot")
            await be_refused(client, deployment.operator, person)
            await projected(deployment.operator)
            live = await columns(deployment.operator)
            data_keys = await unwrapped(deployment)
            for customer_id in (person, other):
                assert (await client.delete(customer_id)).status == 200
            await projected(deployment.operator)
            gone = await columns(deployment.operator)
            serve.terminate()
            assert await serve.ended() == 0
            said = serve.said().encode()
        logs = {"service": said, "postgres": migrated_postgres.log.read_bytes()}
        key = deployment.key.encode()
        yield Life(live, gone, logs, [*data_keys, key, key[-43:], *master_keys(deployment)])


async def lives(client: Client) -> tuple[str, str]:
    """Two customers are created and changed, one of them over a snapshot; their ids."""
    created = await client.create(TOLD, **PERSON)
    assert created.status == 201
    person: str = created.json()["id"]
    assert (await client.create(TOLD, **PERSON)).headers["Idempotent-Replayed"] == "true"
    assert (await client.patch(person, TOLD | {"Idempotency-Key": "2"}, **CHANGED)).status == 200
    for number in range(SNAPSHOT_EVERY):
        assert (await client.patch(person, name=f"Finchley Namesworth {number}")).status == 200
    assert len(await client.ids(email=CHANGED["email"])) == 1
    return person, (await client.created(**OTHER))["id"]


async def be_refused(client: Client, operator: Operator, person: str) -> None:
    """Requests that go wrong with personal values in them, each in its own way."""
    assert (await client.create(**CHANGED | {"companyName": "Canary Holdings"})).refusal() == (
        409,
        "duplicate_email",
    )
    assert (await client.create(TOLD, **OTHER)).refusal() == (422, "idempotency_key_reused")
    assert (await client.patch(person, {"If-Match": '"1"'}, **PERSON)).status == 412
    assert (await client.create(**PERSON | {"phone": 4915199887766, "Canaria Namesworth": 1})).status == 400
    assert (
        await client.request("POST", "/v1/customers", content=b'{"name": "Canaria Namesworth"')
    ).status == 400
    assert (await client.get("goner@third-canary.example.com")).status == 404
    assert (await client.page(email=ELSEWHERE[0])).json()["data"] == []
    assert (await client.page(surname="Canaria Namesworth")).status == 400
    assert (await client.having(client.key[:-1] + "x").get(person)).status == 401
    await operator.select(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'customers_app'"
    )
    assert (await client.create(**OTHER)).status in {409, 503}
    assert (await client.get(person)).status in {200, 503}


async def projected(operator: Operator) -> None:
    """Bring the read model as far as the ledgers are."""
    while await sweep(operator.admin, operator.master_keys):
        pass


async def has_snapshot(operator: Operator) -> bool:
    return bool(await operator.select("SELECT FROM events.customer_snapshots"))


async def unwrapped(deployment: Deployment) -> list[bytes]:
    """The customers' data keys themselves."""
    rows = await deployment.operator.select("SELECT * FROM events.customer_keys")
    keys: list[DataKey] = [
        deployment.operator.master_keys.unwrap(
            row["wrapped_key"], row["master_version"], row["merchant_id"], row["customer_id"]
        )
        for row in rows
    ]
    return [key.raw for key in keys]


def master_keys(deployment: Deployment) -> list[bytes]:
    """The master keys themselves."""
    return list(deployment.operator.master_keys._keys.values())


PERSONAL = [text.encode() for text in [*texts(PERSON), *texts(CHANGED), *texts(OTHER), *ELSEWHERE]]


@pytest.mark.parametrize("value", PERSONAL)
async def test_the_search_finds_a_value_however_it_is_encoded(value: bytes) -> None:
    for hidden in (
        value,
        value.upper() if value.isascii() else value,
        value.hex().encode(),
        b64encode(b"{" + value + b"}"),
        b64encode(b"{}" + value + b"}"),
        b64encode(b"{ }" + value + b"}"),
        value.decode().encode("utf-16-le"),
    ):
        assert found_in([b"before", b"<" + hidden + b">"], [value]) == [value]
    assert found_in([b"before", b"after"], [value]) == []


async def test_values_of_live_customers_are_readable_only_where_they_must_be(life: Life) -> None:
    assert readable(life.live, PERSONAL) == WHERE_IT_MUST_BE


async def test_events_snapshots_and_all_beside_them_were_searched(life: Life) -> None:
    searched = {table for (table, _), values in life.live.items() if values}
    assert searched >= {
        "events.customer_events",
        "events.customer_snapshots",
        "events.customer_keys",
        "events.idempotency_keys",
        "events.outbox",
        "events.api_keys",
        "events.merchants",
        "projections.customers",
        "projections.progress",
    }
    assert {("events.customer_events", "state"), ("events.customer_events", "metadata")} <= set(life.live)


async def test_of_deleted_customers_nothing_is_readable(life: Life) -> None:
    assert readable(life.gone, PERSONAL) == set()


async def test_keys_and_secrets_are_readable_nowhere(life: Life) -> None:
    assert readable(life.live, life.secrets) == set()


@pytest.mark.parametrize("log", ["service", "postgres"])
async def test_no_log_holds_a_value_or_a_secret(life: Life, log: str) -> None:
    assert life.logs[log]
    assert found_in([life.logs[log]], [*PERSONAL, *life.secrets]) == []
