"""POST /v1/customers: the object that comes to be, and what goes with the answer."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.support.api import JOHN, Client, RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

WHOLE: dict[str, Any] = {
    "email": "john@example.com",
    "name": "John Doe",
    "phone": "+1234567890",
    "address": {
        "line1": "123 Main St",
        "line2": "Apt 4B",
        "city": "San Francisco",
        "state": "CA",
        "postalCode": "94102",
        "country": "US",
    },
    "companyName": "Acme Inc",
    "taxId": "12-3456789",
    "description": "VIP customer",
    "metadata": {"tier": "gold", "source": "referral"},
}
MEMBERS = ["id", "object", *WHOLE, "created", "updated"]
NULLABLE = ("phone", "address", "companyName", "taxId", "description", "metadata")
CUSTOMER_ID = re.compile(r"cus_[0-9a-hjkmnp-tv-z]{26}")


async def test_the_object_has_exactly_the_documented_members_in_their_order(client: Client) -> None:
    customer = await client.created(**WHOLE)
    assert list(customer) == MEMBERS
    assert list(customer["address"]) == list(WHOLE["address"])
    assert {member: customer[member] for member in WHOLE} == WHOLE
    assert customer["object"] == "customer"
    assert CUSTOMER_ID.fullmatch(customer["id"])


async def test_it_answers_201_with_location_and_the_first_version_as_etag(client: Client) -> None:
    answer = await client.create()
    assert answer.status == 201
    assert answer.headers["Location"] == f"/v1/customers/{answer.json()['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in answer.headers


async def test_unset_members_show_as_null(client: Client) -> None:
    customer = await client.created()
    assert list(customer) == MEMBERS
    assert {customer[member] for member in NULLABLE} == {None}


@pytest.mark.parametrize("member", NULLABLE)
async def test_null_means_unset(client: Client, member: str) -> None:
    assert (await client.created(**{member: None}))[member] is None


async def test_an_address_shows_all_six_members(client: Client) -> None:
    customer = await client.created(address={"city": "Berlin"})
    unset = dict.fromkeys(WHOLE["address"])
    assert customer["address"] == unset | {"city": "Berlin"}
    assert list(customer["address"]) == list(unset)


@pytest.mark.parametrize("address", [{}, {"city": None}, dict.fromkeys(WHOLE["address"])])
async def test_an_address_of_nulls_shows_as_null(client: Client, address: dict[str, None]) -> None:
    assert (await client.created(address=address))["address"] is None


@pytest.mark.parametrize("metadata", [{}, {"tier": None}])
async def test_empty_metadata_shows_as_null(client: Client, metadata: dict[str, None]) -> None:
    assert (await client.created(metadata=metadata))["metadata"] is None


async def test_a_country_is_stored_in_upper_case(client: Client) -> None:
    assert (await client.created(address={"country": "de"}))["address"]["country"] == "DE"


async def test_created_and_updated_are_the_unix_seconds_of_now(client: Client) -> None:
    before = int(time.time())
    customer = await client.created()
    assert before <= customer["created"] == customer["updated"] <= int(time.time())


async def test_ids_are_ordered_by_time(client: Client) -> None:
    first = await client.created(email="a@example.com")
    second = await client.created(email="b@example.com")
    assert first["id"][:14] <= second["id"][:14]


async def test_texts_come_back_exactly_as_they_were_sent(client: Client) -> None:
    name = "  Zoë \N{PILE OF POO} \u202e <b>'; DROP TABLE customers -- \\ \" \u00a0"
    assert (await client.created(name=name, description="\t\n"))["name"] == name


async def test_the_email_is_kept_as_typed_but_trimmed(client: Client) -> None:
    assert (await client.created(email=" John.Doe@Example.COM\n"))["email"] == "John.Doe@Example.COM"


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
async def test_a_json_content_type_is_taken_with_its_parameters(client: Client, content_type: str) -> None:
    assert (await client.create({"Content-Type": content_type})).status == 201


async def test_every_change_is_one_event_and_waits_in_the_outbox(api: RunningApi) -> None:
    customer = await api.client.created()
    await api.client.patch(customer["id"], phone="1")
    await api.client.delete(customer["id"])
    stored = await api.stored()
    assert stored["customer_events"] == stored["outbox"] == 3
    assert stored["email_claims"] == 0


async def test_the_answer_is_what_a_get_shows(client: Client) -> None:
    answer = await client.create(**WHOLE)
    again = await client.get(answer.json()["id"])
    assert again.body == answer.body
    assert again.headers["ETag"] == answer.headers["ETag"]


async def test_the_example_of_the_contract_is_taken(client: Client) -> None:
    assert (await client.request("POST", "/v1/customers", WHOLE)).status == 201
    assert (await client.request("POST", "/v1/customers", JOHN)).status == 409
