"""GET /v1/customers/{id}?version= and ?asOf=: the customer as it was answered then."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest

from service.api_keys import SCOPES
from tests.support.api import Answer, Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

MICROSECOND = timedelta(microseconds=1)


async def past(client: Client, customer_id: str, query: str, **headers: str) -> Answer:
    return await client.request("GET", f"/v1/customers/{customer_id}?{query}", headers=headers)


async def as_of(client: Client, customer_id: str, moment: datetime) -> Answer:
    return await past(client, customer_id, f"asOf={quote(moment.isoformat(timespec='microseconds'))}")


async def lived(client: Client) -> list[Answer]:
    """What was answered at each version of a customer that ends deleted."""
    created = await client.create(address={"city": "Rome"}, metadata={"a": "1"})
    customer_id = created.json()["id"]
    return [
        created,
        await client.patch(customer_id, name="Jo", metadata={"b": "2"}),
        await client.patch(customer_id, address=None),
        await client.delete(customer_id),
    ]


async def moments(api: RunningApi, customer_id: str) -> list[datetime]:
    """When each version was recorded."""
    rows = await api.operator.select(
        "SELECT to_timestamp(0) + recorded_at * interval '1 microsecond' AS at "
        "FROM events.customer_events WHERE originator_id = $1 ORDER BY originator_version",
        customer_id,
    )
    return [row["at"] for row in rows]


def said(answer: Answer) -> tuple[int, bytes, str]:
    return answer.status, answer.body, answer.headers["ETag"]


async def test_each_version_is_answered_as_it_was_then(api: RunningApi) -> None:
    then = await lived(api.client)
    customer_id = then[0].json()["id"]
    for _ in range(2):
        for version, answer in enumerate(then, 1):
            again = await past(api.client, customer_id, f"version={version}")
            assert said(again) == (200, answer.body, f'"{version}"')
        await api.sweep()


async def test_each_moment_is_answered_as_it_was_then_to_the_microsecond(api: RunningApi) -> None:
    then = await lived(api.client)
    customer_id = then[0].json()["id"]
    recorded = await moments(api, customer_id)
    for number, moment in enumerate(recorded):
        assert said(await as_of(api.client, customer_id, moment)) == (
            200,
            then[number].body,
            f'"{number + 1}"',
        )
        before = await as_of(api.client, customer_id, moment - MICROSECOND)
        if number:
            assert said(before) == (200, then[number - 1].body, f'"{number}"')
        else:
            assert before.refusal() == (404, "customer_not_found")
    later = await as_of(api.client, customer_id, recorded[-1] + timedelta(days=400))
    assert later.body == then[-1].body


async def test_a_whole_second_includes_all_that_happened_within_it(api: RunningApi) -> None:
    customer: Any = await api.client.created()
    second = customer["created"]
    assert (await past(api.client, customer["id"], f"asOf={second}")).json() == customer
    before = await past(api.client, customer["id"], f"asOf={second - 1}")
    assert before.refusal() == (404, "customer_not_found")


async def test_offsets_and_finer_fractions_are_understood(api: RunningApi) -> None:
    customer: Any = await api.client.created()
    (moment,) = await moments(api, customer["id"])
    offset = moment.astimezone(timezone(timedelta(hours=2)))
    assert (await as_of(api.client, customer["id"], offset)).status == 200
    finer = moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "999Z"
    assert (await past(api.client, customer["id"], f"asOf={finer}")).status == 200


async def test_a_version_that_was_never_there_is_not_found(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    for version in ("2", "9007199254740991"):
        assert (await past(api.client, customer_id, f"version={version}")).refusal() == (
            404,
            "customer_not_found",
        )


async def test_unknown_foreign_and_malformed_ids_had_no_past_either(api: RunningApi) -> None:
    foreign = (await (await api.of_new_merchant()).client.created())["id"]
    for customer_id in (foreign, "cus_01jd4q8w9zexampxexampxe000", "x"):
        for query in ("version=1", "asOf=253402300799"):
            answer = await past(api.client, customer_id, query)
            assert answer.refusal() == (404, "customer_not_found")


async def test_the_past_of_an_erased_customer_is_gone(api: RunningApi) -> None:
    client = await api.client_with(frozenset(SCOPES))
    customer_id = (await client.created())["id"]
    (moment,) = await moments(api, customer_id)
    await client.request("POST", f"/v1/customers/{customer_id}/erase")
    moments_of_it = (f"asOf={moment.timestamp():.0f}", "asOf=253402300799", "asOf=1")
    for query in ("version=1", "version=2", "version=99", *moments_of_it):
        assert (await past(client, customer_id, query)).refusal() == (410, "customer_erased"), query


async def test_if_none_match_works_on_the_past(api: RunningApi) -> None:
    customer_id = (await lived(api.client))[0].json()["id"]
    answer = await past(api.client, customer_id, "version=2", **{"If-None-Match": '"2"'})
    assert (answer.status, answer.headers["ETag"]) == (304, '"2"')
    assert (await past(api.client, customer_id, "version=2", **{"If-None-Match": '"4"'})).status == 200


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("version=1&asOf=1", "asOf"),
        ("version=1&expand=stats", "expand"),
        ("asOf=1&expand=stats", "expand"),
        ("version=0", "version"),
        ("version=one", "version"),
        ("asOf=", "asOf"),
        ("asOf=-1", "asOf"),
        ("asOf=253402300800", "asOf"),
        ("asOf=2026-02-30T00:00:00Z", "asOf"),
        ("asOf=2026-01-01", "asOf"),
        ("asOf=2026-01-01T00:00:00+01:00", "asOf"),
    ],
)
async def test_what_does_not_fit_is_named(client: Client, query: str, param: str) -> None:
    customer_id = (await client.created())["id"]
    answer = await past(client, customer_id, query)
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == param


async def test_the_refusal_of_a_moment_says_what_would_be_right(client: Client) -> None:
    answer = await past(client, "cus_01jd4q8w9zexampxexampxe000", "asOf=yesterday")
    assert answer.json()["message"].startswith("asOf must be Unix seconds, such as 1706554800, or a time")
