"""The customer object: the contract's members, in its order."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from events.customer import Values
from events.rendering import render_customer, render_tombstone
from tests.support.cases import ACME, CUSTOMER, UNSET, customer_values

ORDER = [
    "id",
    "object",
    "email",
    "name",
    "phone",
    "address",
    "companyName",
    "taxId",
    "description",
    "metadata",
    "created",
    "updated",
]


def test_a_customer_is_rendered_as_the_contract_writes_it() -> None:
    body = render_customer(CUSTOMER, ACME, 1_735_689_600, 1_735_776_000)
    assert body == (
        b'{"id":"cus_01jd4q8w9zexampxexampxe000","object":"customer","email":"Jane.Doe@example.org",'
        b'"name":"Jane Doe","phone":"+1234567890","address":{"line1":"123 Main St","line2":"Apt 4B",'
        b'"city":"San Francisco","state":"CA","postalCode":"94102","country":"US"},'
        b'"companyName":"Acme Inc","taxId":"12-3456789","description":"VIP customer",'
        b'"metadata":{"tier":"gold","source":"referral"},"created":1735689600,"updated":1735776000}'
    )


@given(customer_values, st.permutations(list(UNSET)))
def test_the_members_stand_in_the_contracts_order_whatever_the_order_of_the_values(
    values: Values, shuffled: list[str]
) -> None:
    body = orjson.loads(render_customer(CUSTOMER, {name: values[name] for name in shuffled}, 0, 0))
    assert list(body) == ORDER
    assert {name: body[name] for name in UNSET} == values


def test_unset_members_are_null() -> None:
    body = orjson.loads(render_customer(CUSTOMER, UNSET, 0, 0))
    assert [name for name in body if body[name] is None] == list(UNSET)


@given(st.integers(0, 10**10), st.integers(0, 10**10))
def test_times_are_rendered_as_they_are_given_in_seconds(created: int, updated: int) -> None:
    body = orjson.loads(render_customer(CUSTOMER, ACME, created, updated))
    assert (body["created"], body["updated"]) == (created, updated)


def test_a_tombstone_has_nothing_personal() -> None:
    assert render_tombstone(CUSTOMER) == (
        b'{"id":"cus_01jd4q8w9zexampxexampxe000","object":"customer","deleted":true}'
    )
