"""`expand=stats`: totals from charges and invoices beside the customer, in answers and in their tags."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from projections import billing
from projections.delivery import Delivery
from tests.support.api import RunningApi

pytestmark = pytest.mark.asyncio(loop_scope="session")


def charge(api: RunningApi, customer_id: str, number: int, amount: str, status: str) -> Delivery:
    data = {
        "id": f"chrg_{customer_id}_{number}",
        "amount": amount,
        "currency": "USDC",
        "status": status,
        "merchantId": api.merchant_id,
        "customerId": customer_id,
    }
    return delivery("CHARGES", "charge.completed", data)


def invoice(api: RunningApi, customer_id: str, number: int, event: str) -> Delivery:
    data = {
        "id": f"inv_{customer_id}_{number}",
        "merchantId": api.merchant_id,
        "customerId": customer_id,
    }
    return delivery("INVOICES", event, data)


def delivery(stream: str, event: str, data: dict[str, Any]) -> Delivery:
    body = {"event": event, "timestamp": "2026-01-15T12:15:00Z", "data": data}
    return Delivery(stream, f"{stream.lower()}.x", 1, {}, orjson.dumps(body))


async def take_in(api: RunningApi, *deliveries: Delivery) -> None:
    async with api.database.transaction() as transaction:
        await billing.apply(transaction, deliveries)


async def test_a_customer_without_charges_has_zeros_after_its_other_members(api: RunningApi) -> None:
    customer = await api.client.created()
    answer = await api.client.request("GET", f"/v1/customers/{customer['id']}?expand=stats")
    assert list(answer.json().items()) == [
        *customer.items(),
        ("invoiceCount", 0),
        ("chargeCount", 0),
        ("totalSpent", "0.00"),
    ]


async def test_stats_count_and_add_up(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    await take_in(
        api,
        charge(api, customer_id, 1, "25.00", "COMPLETED"),
        charge(api, customer_id, 2, "0.000001", "COMPLETED"),
        charge(api, customer_id, 3, "10", "PENDING"),
        invoice(api, customer_id, 1, "invoice.created"),
        invoice(api, customer_id, 2, "invoice.deleted"),
    )
    told = (await api.client.request("GET", f"/v1/customers/{customer_id}?expand=stats")).json()
    assert (told["invoiceCount"], told["chargeCount"], told["totalSpent"]) == (1, 3, "25.000001")


async def test_lists_show_them_too(api: RunningApi) -> None:
    ids = [(await api.client.created(email=f"{n}@example.com"))["id"] for n in range(3)]
    await api.sweep()
    await take_in(api, *(charge(api, ids[n], n, f"{n}.5", "COMPLETED") for n in range(3)))
    page = (await api.client.page(expand="stats")).json()
    assert [one["totalSpent"] for one in page["data"]] == ["2.50", "1.50", "0.50"]
    by_email = (await api.client.page(expand="stats", email="1@example.com")).json()
    assert by_email["data"][0]["totalSpent"] == "1.50"
    assert "totalSpent" not in (await api.client.page()).json()["data"][0]


async def test_the_tag_is_weak_and_changes_with_the_customer_and_with_the_stats(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    path = f"/v1/customers/{customer_id}?expand=stats"
    tags = [(await api.client.request("GET", path)).headers["ETag"]]
    await take_in(api, charge(api, customer_id, 1, "1.00", "COMPLETED"))
    tags.append((await api.client.request("GET", path)).headers["ETag"])
    await api.client.patch(customer_id, name="Jo")
    tags.append((await api.client.request("GET", path)).headers["ETag"])
    assert len(set(tags)) == 3
    assert all(tag.startswith('W/"') for tag in tags)
    again = await api.client.request("GET", path, headers={"If-None-Match": tags[-1]})
    assert (again.status, again.headers["ETag"]) == (304, tags[-1])
    assert (await api.client.request("GET", path, headers={"If-None-Match": tags[0]})).status == 200


async def test_a_weak_tag_never_matches_a_change(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    tag = (await api.client.request("GET", f"/v1/customers/{customer_id}?expand=stats")).headers["ETag"]
    answer = await api.client.patch(customer_id, {"If-Match": tag}, name="Jo")
    assert answer.refusal() == (412, "version_mismatch")
    assert "weak tags" in answer.json()["message"]
    mixed = await api.client.patch(customer_id, {"If-Match": f'{tag}, "7"'}, name="Jo")
    assert mixed.refusal() == (412, "version_mismatch")
    assert "has changed" in mixed.json()["message"]


async def test_a_tombstone_has_no_stats(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    await api.client.delete(customer_id)
    told = (await api.client.request("GET", f"/v1/customers/{customer_id}?expand=stats")).json()
    assert told == {"id": customer_id, "object": "customer", "deleted": True}


async def test_charges_of_another_merchant_s_customer_count_for_nobody(api: RunningApi) -> None:
    other = await api.of_new_merchant()
    customer_id = (await api.client.created())["id"]
    await take_in(api, charge(other, customer_id, 1, "9.00", "COMPLETED"))
    told = (await api.client.request("GET", f"/v1/customers/{customer_id}?expand=stats")).json()
    assert (told["chargeCount"], told["totalSpent"]) == (0, "0.00")


async def test_only_stats_can_be_expanded(api: RunningApi) -> None:
    customer_id = (await api.client.created())["id"]
    for path in (f"/v1/customers/{customer_id}", "/v1/customers"):
        answer = await api.client.request("GET", f"{path}?expand=charges")
        assert answer.refusal() == (400, "invalid_request")
        assert answer.json()["param"] == "expand"


async def test_lists_can_be_filtered_by_the_time_of_the_last_update(api: RunningApi) -> None:
    customer = await api.client.created()
    await api.sweep()
    updated = customer["updated"]
    assert await api.client.ids(updated_gte=updated, updated_lte=updated) == [customer["id"]]
    assert await api.client.ids(updated_gt=updated) == []
    assert await api.client.ids(updated_lt=updated) == []
    assert await api.client.ids(updated_gt=updated, email=customer["email"]) == []
