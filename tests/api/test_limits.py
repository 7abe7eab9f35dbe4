"""Limits: each is kept exactly, at the limit and one beyond. Lengths are code points."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.support.api import JOHN, Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASTRAL = "\N{PILE OF POO}"  # one code point, two UTF-16 units, four bytes
ADDRESS_LINES = ("line1", "line2", "city", "state", "postalCode")
KIB = 1024


def nested(path: str, value: Any) -> dict[str, Any]:
    """A body whose member at this dotted path is `value`."""
    outer, _, inner = path.partition(".")
    return {outer: {inner: value} if inner else value}


LENGTHS = [
    ("name", 256),
    ("phone", 32),
    ("companyName", 256),
    ("taxId", 64),
    ("description", 5000),
    *((f"address.{line}", 256) for line in ADDRESS_LINES),
    ("metadata.key", 500),
]


@pytest.mark.parametrize(("path", "most"), LENGTHS)
@pytest.mark.parametrize("character", ["x", ASTRAL])
async def test_a_text_may_have_so_many_code_points_and_no_more(
    api: RunningApi, path: str, most: int, character: str
) -> None:
    customer = await api.client.created(**nested(path, character * most))
    before = await api.stored()
    beyond = nested(path, character * (most + 1))
    for answer in (
        await api.client.create(email="other@example.com", **beyond)
        if path != "name"
        else await api.client.create(**({"email": "other@example.com"} | beyond)),
        await api.client.patch(customer["id"], **beyond),
    ):
        assert answer.refusal() == (400, "invalid_request")
        assert [(e["param"], e["code"]) for e in answer.json()["errors"]] == [(path, "too_long")]
    assert await api.stored() == before


@pytest.mark.parametrize(("path", "most"), [*LENGTHS, ("address.country", 2), ("email", 254)])
async def test_an_empty_text_is_refused(client: Client, path: str, most: int) -> None:
    customer = await client.created()
    for answer in (
        await client.create(**({"email": "other@example.com"} | nested(path, ""))),
        await client.patch(customer["id"], **nested(path, "")),
    ):
        assert answer.refusal() == (400, "invalid_request")
        assert answer.json()["param"] == path
        assert answer.json()["errors"][0]["code"] in {"too_short", "invalid_format"}


@pytest.mark.parametrize("country", ["D", "DEU", "1A", "d\u00e9", "\uff24\uff25", "  "])
async def test_a_country_is_two_ascii_letters(client: Client, country: str) -> None:
    answer = await client.create(address={"country": country})
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == "address.country"


async def test_an_email_may_have_254_code_points_and_no_more(client: Client) -> None:
    longest = f"{'l' * 56}@{'.'.join(['d' * 61] * 3)}.example.com"
    assert len(longest) == 254
    await client.created(email=longest)
    answer = await client.create(email="l" + longest)
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["errors"][0]["code"] == "too_long"


async def test_metadata_may_have_50_keys_and_no_more(client: Client) -> None:
    fifty = {f"key{n}": "value" for n in range(50)}
    customer = await client.created(metadata=fifty)
    for answer in (
        await client.create(email="other@example.com", metadata=fifty | {"one": "more"}),
        await client.patch(customer["id"], metadata={"one": "more"}),
    ):
        assert answer.refusal() == (400, "invalid_request")
        assert answer.json()["param"] == "metadata"
    swapped = await client.patch(customer["id"], metadata={"key0": None, "one": "more"})
    assert len(swapped.json()["metadata"]) == 50


async def test_null_values_do_not_count_as_metadata_keys(client: Client) -> None:
    metadata = {f"key{n}": "value" if n < 50 else None for n in range(60)}
    assert len((await client.created(metadata=metadata))["metadata"]) == 50


async def test_a_metadata_key_has_1_to_40_code_points_without_brackets(client: Client) -> None:
    metadata = {ASTRAL * 40: "1", "x": "2", " ": "3", "a.b": "4"}
    customer = await client.created(metadata=metadata)
    assert customer["metadata"] == metadata
    for key in (ASTRAL * 41, "x" * 41, "", "a[", "a]", "[]"):
        answer = await client.patch(customer["id"], metadata={key: "1"})
        assert answer.refusal() == (400, "invalid_request"), key


@pytest.mark.parametrize("value", [1, 1.5, True, ["a"], {"a": "b"}])
async def test_metadata_values_are_never_coerced(client: Client, value: object) -> None:
    answer = await client.create(metadata={"a": value})
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["errors"][0] | {"message": ""} == {
        "param": "metadata.a",
        "code": "wrong_type",
        "message": "",
    }


async def test_a_body_may_have_64_kib_and_no_more(client: Client) -> None:
    exact = orjson.dumps(JOHN).ljust(64 * KIB)
    answer = await client.request("POST", "/v1/customers", content=exact)
    assert answer.status == 201
    answer = await client.request("POST", "/v1/customers", content=exact + b" ")
    assert answer.refusal() == (413, "body_too_large")


def filling(size: int, customer: dict[str, Any]) -> dict[str, Any]:
    """Members that make this customer, rendered, exactly so many bytes."""
    metadata = {f"{n:02}": ASTRAL * 500 for n in range(15)}
    left = size - len(orjson.dumps(customer | {"metadata": metadata, "description": ""}))
    return {"metadata": metadata, "description": "x" * left}


async def test_a_customer_may_have_32_kib_of_json_and_no_more(api: RunningApi) -> None:
    john = await api.client.created(email="jane@example.com") | JOHN
    members = filling(32 * KIB, john)
    exact = await api.client.create(**members)
    assert exact.status == 201
    assert len(exact.body) == 32 * KIB
    before = await api.stored()
    customer_id = exact.json()["id"]
    for answer in (
        await api.client.create(**({"email": "jack@example.com", "name": "John Doe+"} | members)),
        await api.client.patch(customer_id, name="John Doe+"),
    ):
        assert answer.refusal() == (400, "customer_too_large")
        assert answer.json()["param"] == "metadata"
        assert "(metadata alone has " in answer.json()["message"]
    assert await api.stored() == before
    assert (await api.client.patch(customer_id, name="John Roe")).status == 200


@pytest.mark.parametrize(
    "member", ["id", "object", "created", "updated", "invoiceCount", "chargeCount", "totalSpent"]
)
async def test_members_that_the_service_sets_are_read_only(client: Client, member: str) -> None:
    customer = await client.created()
    for answer in (
        await client.create(email="other@example.com", **{member: customer.get(member, 1)}),
        await client.patch(customer["id"], **{member: customer.get(member, 1)}),
    ):
        assert answer.refusal() == (400, "invalid_request")
        assert [(e["param"], e["code"]) for e in answer.json()["errors"]] == [(member, "read_only")]


@pytest.mark.parametrize(
    "member", ["merchantId", "Email", "company_name", "__proto__", "", "deleted", "version"]
)
async def test_unknown_members_are_refused_by_name(client: Client, member: str) -> None:
    customer = await client.created()
    for answer in (
        await client.create(email="other@example.com", **{member: "x"}),
        await client.patch(customer["id"], **{member: "x"}),
    ):
        assert answer.refusal() == (400, "invalid_request")
        assert [(e["param"], e["code"]) for e in answer.json()["errors"]] == [(member, "unknown_member")]


@pytest.mark.parametrize("member", ["email", "name"])
async def test_email_and_name_are_required(client: Client, member: str) -> None:
    body = {name: value for name, value in JOHN.items() if name != member}
    answer = await client.request("POST", "/v1/customers", body)
    assert answer.refusal() == (400, "invalid_request")
    assert [(e["param"], e["code"]) for e in answer.json()["errors"]] == [(member, "required")]
