"""Creates: a customer, or what is to be done when its email is taken.

In: a validated body. Out: a `Result`. The store decides whether the email is free, in the transaction that
writes the event; only when it is taken, `onDuplicate` turns to the customer that has it. So of any number of
creates at once one makes the customer, and the others find it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import Field

from events.customer import Customer
from events.sealing import DataKey
from events.store import Change
from service import clock
from service.call import Call, Retry
from service.changes import change_customer, change_of, update
from service.customer_input import Patch, check_size, new_values
from service.deciding import decided
from service.email_address import email_key
from service.errors import CustomerNotFound
from service.parameters import Parameters
from service.results import Result, rendered, result_of

OnDuplicate = Literal["return", "update"]


class CreateParameters(Parameters):
    """The parameters of creates."""

    on_duplicate: OnDuplicate | None = Field(
        None,
        description="What to do when a customer has the email already: `return` answers that customer, "
        "`update` merges the body into it as PATCH would. Without it the answer is 409 `duplicate_email`.",
    )


class _EmailFreed(Exception):
    """The customer that had the email has it no more."""


async def create(
    call: Call, given: Patch, retry: Retry | None, on_duplicate: OnDuplicate | None, *, may_be_large: bool
) -> Result:
    """Create a customer of these members, or do as `onDuplicate` says.

    Raises CustomerTooLarge, Overloaded, and what `result_of` raises.
    """
    values = new_values(given)
    claim = email_key(values["email"])

    async def attempt() -> Result | None:
        customer = Customer.create(clock.new_customer_id(), call.merchant_id, values, clock.now())
        if may_be_large:
            check_size(rendered(customer))
        change = change_of(call, customer, None, retry, status=201, email_claim=claim)
        outcome = await call.services.store.append(change)
        if outcome.kind != "email_taken" or on_duplicate is None or outcome.customer_id is None:
            return await result_of(call, change, outcome)
        patch = given if on_duplicate == "update" else None
        try:
            return await change_customer(call, outcome.customer_id, retry, _merge(call, claim, patch, retry))
        except (_EmailFreed, CustomerNotFound):
            return None  # deleted, or given another address, since then: the email may be free now

    return await decided(attempt)


def _merge(
    call: Call, claim: str, patch: Patch | None, retry: Retry | None
) -> Callable[[Customer, DataKey | None], Change]:
    def decide(customer: Customer, data_key: DataKey | None) -> Change:
        if customer.deleted or email_key(customer.values["email"]) != claim:
            raise _EmailFreed
        if patch is None:
            return change_of(call, customer, data_key, retry)
        return update(call, customer, data_key, patch, retry)

    return decide
