"""One live customer per merchant and email, whatever the email's spelling."""

from __future__ import annotations

import pytest

from tests.support.api import JOHN, Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPELLINGS = [
    ("john@example.com", "JOHN@EXAMPLE.COM"),
    ("straße@example.com", "STRASSE@example.com"),
    ("jörg@example.com", "jo\u0308rg@example.com"),
    ("\uff4aohn@example.com", "john@example.com"),
    ("Σίσυφος@example.com", "ΣΊΣΥΦΟΣ@EXAMPLE.com"),
    ("a@bücher.example.com", "a@XN--BCHER-KVA.example.com"),
    ("a@BÜCHER.example.com", "a@bu\u0308cher.example.com"),
]


@pytest.mark.parametrize(("first", "second"), SPELLINGS)
async def test_another_spelling_of_an_email_is_the_same_email(
    client: Client, first: str, second: str
) -> None:
    await client.created(email=first)
    assert (await client.create(email=second)).refusal() == (409, "duplicate_email")
    other = await client.created(email="other@example.org")
    assert (await client.patch(other["id"], email=second)).refusal() == (409, "duplicate_email")


@pytest.mark.parametrize(("first", "second"), SPELLINGS)
async def test_one_may_respell_ones_own_email(client: Client, first: str, second: str) -> None:
    customer_id = (await client.created(email=first))["id"]
    answer = await client.patch(customer_id, email=second)
    assert (answer.status, answer.version, answer.json()["email"]) == (200, 2, second)
    assert (await client.create(email=first)).refusal() == (409, "duplicate_email")


@pytest.mark.parametrize(
    "email", ["john+a@example.com", "j.ohn@example.com", "john@mail.example.com", "john@example.org"]
)
async def test_other_addresses_are_other_emails(client: Client, email: str) -> None:
    await client.created()
    await client.created(email=email)


async def test_a_change_of_email_frees_the_old_one_and_takes_the_new_one(client: Client) -> None:
    first = await client.created()
    await client.patch(first["id"], email="jane@example.com")
    second = await client.created()
    assert (await client.patch(second["id"], email="Jane@example.com")).refusal() == (409, "duplicate_email")
    assert (await client.patch(first["id"], email=JOHN["email"])).refusal() == (409, "duplicate_email")


async def test_two_customers_can_swap_emails_through_a_third(client: Client) -> None:
    a, b = await client.created(email="a@example.com"), await client.created(email="b@example.com")
    await client.patch(a["id"], email="c@example.com")
    await client.patch(b["id"], email="a@example.com")
    assert (await client.patch(a["id"], email="b@example.com")).status == 200


async def test_a_refused_change_takes_and_frees_nothing(api: RunningApi) -> None:
    taken = await api.client.created(email="taken@example.com")
    john = await api.client.created()
    before = await api.stored()
    answer = await api.client.patch(john["id"], email="taken@example.com", name="Johnny")
    assert answer.refusal() == (409, "duplicate_email")
    assert await api.stored() == before
    assert (await api.client.get(john["id"])).json() == john
    assert await api.client.ids(email="taken@example.com") == [taken["id"]]
    assert await api.client.ids(email=JOHN["email"]) == [john["id"]]


async def test_each_merchant_has_its_own_emails(api: RunningApi) -> None:
    await api.client.created()
    stranger = await api.of_new_merchant()
    await stranger.client.created()
    assert (await stranger.client.create()).refusal() == (409, "duplicate_email")


async def test_a_deleted_customers_email_belongs_to_the_next_one(client: Client) -> None:
    for _ in range(3):
        customer_id = (await client.created())["id"]
        assert await client.ids(email=JOHN["email"]) == [customer_id]
        await client.delete(customer_id)


@pytest.mark.parametrize(
    "email",
    [
        "john",
        "@example.com",
        "john@",
        "john@@example.com",
        "john doe@example.com",
        "john@example",
        "john@localhost",
        "john@[127.0.0.1]",
        '"john"@example.com',
        "John <john@example.com>",
        ".john@example.com",
        "john..doe@example.com",
        "john@-example.com",
        "john@exa_mple.com",
        "john@example.com\u202e",
        "jo\thn@example.com",
    ],
)
async def test_what_is_no_email_is_refused(client: Client, email: str) -> None:
    answer = await client.create(email=email)
    assert answer.refusal() == (400, "invalid_request")
    assert [(e["param"], e["code"]) for e in answer.json()["errors"]] == [("email", "invalid_format")]
