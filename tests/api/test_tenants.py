"""Another merchant's customer is as if it did not exist, on every route there is."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from service.operation import Operation
from service.parameters import CursorId
from service.routes import BATCH, EVENTS, LEDGER, LIST, OPERATIONS
from tests.support.api import Answer, Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

WITH_ID = [route for route in OPERATIONS if "{id}" in route.path]
CURSORS = [
    (route, field.alias or name)
    for route in OPERATIONS
    for name, field in route.parameters.model_fields.items()
    if CursorId in get_args(field.annotation)
]
NAMES_NO_CUSTOMER = {("POST", LIST), ("POST", BATCH), ("GET", LEDGER), ("GET", EVENTS)}
BODIES: dict[str, Any] = {"PATCH": {"name": "Mallory"}, "POST": {"name": "Mallory"}}
CONDITIONS: list[dict[str, str]] = [{}, {"If-Match": '"1"'}, {"If-None-Match": "*"}, {"Idempotency-Key": "k"}]
CANARY = "canary-7f3a@example.com"


def named(route: Operation[Any]) -> str:
    return f"{route.method} {route.path}"


def visible(answer: Answer, customer_id: str) -> tuple[int, dict[str, str], bytes]:
    """All that a client could tell answers apart by; not the date and the request id."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    headers.pop("date")
    request_id = headers.pop("x-request-id")
    return (
        answer.status,
        headers,
        answer.body.replace(request_id.encode(), b"").replace(customer_id.encode(), b""),
    )


async def test_every_operation_is_known_by_the_way_in_which_it_names_customers() -> None:
    by_id = {(route.method, route.path) for route in WITH_ID}
    by_cursor = {(route.method, route.path) for route, _ in CURSORS}
    assert {method for method, _ in by_id} >= {"GET", "PATCH", "DELETE"}
    assert {parameter for _, parameter in CURSORS} >= {"startingAfter", "endingBefore"}
    known = by_id | by_cursor | NAMES_NO_CUSTOMER
    assert {(route.method, route.path) for route in OPERATIONS} == known, "say here how it can be attacked"


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("state", ["live", "deleted"])
@pytest.mark.parametrize("route", WITH_ID, ids=named)
async def test_another_merchants_id_answers_like_an_unknown_and_a_malformed_one(
    api: RunningApi, route: Operation[Any], state: str, swept: bool
) -> None:
    victim = await api.of_new_merchant()
    foreign = (await victim.client.created(email=CANARY, name="Canary"))["id"]
    if state == "deleted":
        await victim.client.delete(foreign)
    if swept:
        await api.sweep()
    stored, own = await victim.stored(), await api.stored()
    client = await api.client_with(frozenset({route.scope}))
    body = BODIES[route.method] if route.body else None
    unknown = foreign[:-1] + ("0" if foreign[-1] != "0" else "1")
    for headers in CONDITIONS:
        answers = {}
        for customer_id in (unknown, foreign, "cus_1"):
            path = route.path.format(id=customer_id)
            answer = await client.request(route.method, path, body, headers)
            assert answer.refusal() == (404, "customer_not_found")
            assert b"anary" not in answer.body
            answers[customer_id] = visible(answer, customer_id)
        assert answers[foreign] == answers[unknown] == answers["cus_1"], headers
    assert await victim.stored() == stored
    assert await api.stored() == own


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("state", ["live", "deleted"])
@pytest.mark.parametrize(
    ("route", "parameter"), CURSORS, ids=[f"{named(route)} {parameter}" for route, parameter in CURSORS]
)
async def test_another_merchants_cursor_answers_like_an_unknown_and_a_malformed_one(
    api: RunningApi, route: Operation[Any], parameter: str, state: str, swept: bool
) -> None:
    victim = await api.of_new_merchant()
    foreign = (await victim.client.created(email=CANARY, name="Canary"))["id"]
    own = (await api.client.created())["id"]
    if state == "deleted":
        await victim.client.delete(foreign)
    if swept:
        await api.sweep()
    unknown = foreign[:-1] + ("0" if foreign[-1] != "0" else "1")
    answers = {}
    for cursor in (unknown, foreign, "cus_1"):
        path = f"{route.path.format(id=own)}?{parameter}={cursor}"
        answer = await api.client.request(route.method, path, BODIES.get(route.method))
        assert answer.refusal() == (400, "invalid_cursor")
        assert answer.json()["param"] == parameter
        answers[cursor] = visible(answer, cursor)
    assert answers[foreign] == answers[unknown] == answers["cus_1"]


async def test_the_same_email_with_another_merchant_is_no_duplicate(api: RunningApi) -> None:
    victim = await api.of_new_merchant()
    await victim.client.created(email=CANARY)
    assert (await api.client.create(email=CANARY)).status == 201
    assert (await api.client.ids(email=CANARY)) != (await victim.client.ids(email=CANARY))


async def test_no_member_or_header_names_another_merchant(api: RunningApi) -> None:
    victim = await api.of_new_merchant()
    assert (await api.client.create(merchantId=victim.merchant_id)).status == 400
    answer = await api.client.create({"X-Merchant-Id": victim.merchant_id})
    assert answer.status == 201
    assert (await victim.client.get(answer.json()["id"])).status == 404
    assert (await victim.stored())["customer_events"] == 0


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_malformed_id_under_a_used_key_answers_like_an_unknown_one(
    client: Client, method: str
) -> None:
    await client.create({"Idempotency-Key": "used"})
    body = {"name": "Jo"} if method == "PATCH" else None
    ids = ("zzz", "cus_01jd4q8w9zexampxexampxe000")
    answers = [
        await client.request(method, f"/v1/customers/{one}", body, {"Idempotency-Key": "used"}) for one in ids
    ]
    assert answers[0].refusal() == answers[1].refusal()
