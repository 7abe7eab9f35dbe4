"""The filters of GET /v1/customers: `email`, always fresh, and `created[…]`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.api import JOHN, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_email_finds_a_customer_before_the_read_model_has_it(api: RunningApi) -> None:
    customer = await api.client.created()
    assert (await api.client.page(email=JOHN["email"])).json() == {
        "object": "list",
        "url": "/v1/customers",
        "hasMore": False,
        "data": [customer],
    }
    assert await api.client.ids() == []


async def test_email_sees_every_change_at_once(api: RunningApi) -> None:
    customer = await api.client.created()
    await api.sweep()
    patched = (await api.client.patch(customer["id"], email="jane@example.com", name="Jane")).json()
    assert (await api.client.page(email="jane@example.com")).json()["data"] == [patched]
    assert await api.client.ids(email=JOHN["email"]) == []
    await api.client.delete(customer["id"])
    assert await api.client.ids(email="jane@example.com") == []


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("john@example.com", "JOHN@EXAMPLE.COM"),
        ("John@Example.com", "john@example.com"),
        ("john@example.com", " john@example.com "),
        ("jörg@example.com", "JO\u0308RG@example.com"),
        ("a@bücher.example.com", "a@xn--bcher-kva.example.com"),
        ("o'hara+x@example.com", "O'Hara+X@example.com"),
    ],
)
async def test_email_matches_whatever_the_spelling(api: RunningApi, stored: str, asked: str) -> None:
    customer = await api.client.created(email=stored)
    assert await api.client.ids(email=asked) == [customer["id"]]


@pytest.mark.parametrize(
    "email", ["nobody@example.com", "not an email", "%", "*", "john@%", "\x00", "@", "🙂"]
)
async def test_an_email_that_nobody_has_finds_nothing(api: RunningApi, email: str) -> None:
    await api.client.created()
    assert await api.client.ids(email=email) == []


async def test_an_empty_email_is_refused(api: RunningApi) -> None:
    assert (await api.client.page(email="")).refusal() == (400, "invalid_request")


async def test_email_is_combined_with_the_other_filters_and_cursors(api: RunningApi) -> None:
    older = await api.client.created(email="older@example.com")
    john = await api.client.created()
    newer = await api.client.created(email="newer@example.com")
    created = john["created"]
    email = {"email": JOHN["email"]}
    assert await api.client.ids(**email, created_gte=created, created_lte=created) == [john["id"]]
    assert await api.client.ids(**email, created_gt=created) == []
    assert await api.client.ids(**email, created_lt=created) == []
    assert await api.client.ids(**email, startingAfter=newer["id"]) == [john["id"]]
    assert await api.client.ids(**email, startingAfter=older["id"]) == []
    assert await api.client.ids(**email, startingAfter=john["id"]) == []
    assert await api.client.ids(**email, endingBefore=older["id"]) == [john["id"]]
    assert await api.client.ids(**email, endingBefore=newer["id"]) == []


async def test_created_bounds_are_whole_seconds_that_include_or_exclude(api: RunningApi) -> None:
    customer = await api.client.created()
    await api.sweep()
    found, created = [customer["id"]], customer["created"]
    for name, offset, expected in (
        ("created_gt", -1, found),
        ("created_gt", 0, []),
        ("created_gte", 0, found),
        ("created_gte", 1, []),
        ("created_lt", 1, found),
        ("created_lt", 0, []),
        ("created_lte", 0, found),
        ("created_lte", -1, []),
    ):
        assert await api.client.ids(**{name: created + offset}) == expected, (name, offset)


async def test_created_bounds_are_combined_with_and(api: RunningApi) -> None:
    customer = await api.client.created()
    await api.sweep()
    created = customer["created"]
    assert await api.client.ids(created_gt=created - 1, created_lt=created + 1) == [customer["id"]]
    assert await api.client.ids(created_gt=created + 5, created_lt=created - 5) == []
    assert await api.client.ids(created_gte=created, created_gt=created) == []


async def test_filters_hold_for_every_page(api: RunningApi) -> None:
    made = [await api.client.created(email=f"{n}@example.com") for n in range(3)]
    await api.sweep()
    future: dict[str, Any] = {"created_gt": made[-1]["created"] + 10}
    page = (await api.client.page(limit=1, startingAfter=made[2]["id"], **future)).json()
    assert (page["data"], page["hasMore"]) == ([], False)
    page = (await api.client.page(limit=1, endingBefore=made[0]["id"], **future)).json()
    assert (page["data"], page["hasMore"]) == ([], False)


@pytest.mark.parametrize("bound", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("value", ["", "x", "-1", "1.5", "2026-01-01", "9" * 30])
async def test_a_bound_that_is_no_unix_second_is_400(api: RunningApi, bound: str, value: str) -> None:
    answer = await api.client.page(**{f"created_{bound}": value})
    assert answer.refusal() == (400, "invalid_request")
    assert answer.json()["param"] == f"created[{bound}]"
