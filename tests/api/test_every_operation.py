"""Wildcards and members that only the service sets, on every operation there is (F34)."""

from __future__ import annotations

from typing import Any, get_args, get_origin
from urllib.parse import quote

import pytest

from service.api_keys import SCOPES
from service.operation import Operation
from service.routes import BATCH, LIST, ONE, OPERATIONS
from tests.support.api import JOHN, Answer, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

WILDCARDS = (
    "%", "_", "cus_%", "cus_" + "_" * 26, "*", ">", "cus_*", "cus_.>", ".*", "[a-z]", "?", "' OR ''='",
    '" OR ""="', "\\", "%00", "${id}", "{id}", "$1", "NULL", "true",
)  # fmt: skip
SET_BY_THE_SERVICE = (
    "id", "object", "merchantId", "merchant_id", "created", "updated", "deleted", "deletedAt", "version",
    "position", "invoiceCount", "chargeCount", "totalSpent", "emailKey", "__proto__", "constructor", "$set",
)  # fmt: skip
WRITES: dict[tuple[str, str], Any] = {
    ("POST", LIST): lambda member: {"email": "new@example.com", "name": "New"} | member,
    ("POST", BATCH): lambda member: {"customers": [{"email": "new@example.com", "name": "New"} | member]},
    ("PATCH", ONE): lambda member: {"name": "New"} | member,
}
"""How to say a member to every operation with a body; one that is not here has no test and fails."""

WITH_ID = [route for route in OPERATIONS if "{id}" in route.path]
WITH_BODY = [route for route in OPERATIONS if route.body is not None]
TEXTS = [
    (route, f"{field.alias}[tier]" if get_origin(field.annotation) is dict else field.alias or name)
    for route in OPERATIONS
    for name, field in route.parameters.model_fields.items()
    if str in get_args(field.annotation) or "minLength" in repr(field)
]


def named(route: Operation[Any]) -> str:
    return f"{route.method} {route.path}"


def refused_at(answer: Answer) -> tuple[int, str, str]:
    """Status, code and member of a refusal, be it the answer or the only item of a batch."""
    body = answer.json()
    error = body["results"][0]["error"] if "results" in body else body
    return error["statusCode"], error["code"], error["param"]


@pytest.mark.parametrize("route", WITH_ID, ids=named)
async def test_a_wildcard_for_an_id_is_an_unknown_id(api: RunningApi, route: Operation[Any]) -> None:
    await api.client.created()
    client = await api.client_with(frozenset(SCOPES))
    before = await api.stored()
    body = {"name": "Mallory"} if route.body is not None else None
    client = await api.client_with(frozenset({route.scope}))
    for wildcard in WILDCARDS:
        path = route.path.replace("{id}", quote(wildcard, safe=""))
        answer = await client.request(route.method, path, body)
        assert answer.refusal() == (404, "customer_not_found"), wildcard
    assert await api.stored() == before


async def test_there_are_filters_by_text() -> None:
    found = {parameter for route, parameter in TEXTS if route.path == LIST}
    assert found >= {"email", "companyName", "metadata[tier]", "q"}


@pytest.mark.parametrize(
    ("route", "parameter"), TEXTS, ids=[f"{named(route)} {parameter}" for route, parameter in TEXTS]
)
async def test_a_wildcard_in_a_filter_matches_nobody(
    api: RunningApi, route: Operation[Any], parameter: str
) -> None:
    await api.client.created(companyName="Acme", metadata={"tier": "gold"})
    await api.sweep()
    for wildcard in WILDCARDS:
        answer = await api.client.request(
            route.method, f"{route.path}?{parameter}={quote(wildcard, safe='')}"
        )
        assert (answer.status, answer.json()["data"]) == (200, []), wildcard


@pytest.mark.parametrize("route", WITH_BODY, ids=named)
async def test_no_member_that_the_service_sets_can_be_assigned(
    api: RunningApi, route: Operation[Any]
) -> None:
    customer = await api.client.created()
    before = await api.stored()
    for member in SET_BY_THE_SERVICE:
        body = WRITES[route.method, route.path]({member: customer.get(member, "x")})
        answer = await api.client.request(route.method, route.path.format(id=customer["id"]), body)
        assert refused_at(answer) == (400, "invalid_request", member)
    assert await api.stored() == before
    assert (await api.client.get(customer["id"])).json() == customer
    assert await api.client.ids(email=JOHN["email"]) == [customer["id"]]
