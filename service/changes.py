"""Changes of a customer that is there: load, decide, append, and decide anew when somebody was faster.

In: a call, the customer's id and a decision. Out: the result. Decisions are made on the customer folded from
its own events, never on a read model.
"""

from __future__ import annotations

from collections.abc import Callable

from events.customer import Customer
from events.loading import Wanted
from events.sealing import DataKey
from events.store import Change
from service import clock
from service.call import Call, Retry
from service.customer_input import Patch, apply_patch, check_size
from service.deciding import decided
from service.email_address import email_key
from service.errors import CustomerNotFound
from service.results import Result, answered_before, rendered, result_of

Decide = Callable[[Customer, DataKey | None], Change]
"""From a customer to what becomes of it; raises an ApiError to refuse."""


async def change_customer(call: Call, customer_id: str, retry: Retry | None, decide: Decide) -> Result:
    """Do what is decided. Raises CustomerNotFound, Overloaded, whatever `decide` and `result_of` raise."""
    wanted = Wanted(call.merchant_id, customer_id, retry and retry.key)
    async with call.services.changing.holding((call.merchant_id, customer_id)):
        return await decided(lambda: _change(call, wanted, retry, decide))


async def _change(call: Call, wanted: Wanted, retry: Retry | None, decide: Decide) -> Result | None:
    loaded = await call.services.store.load(wanted)
    if loaded.answered is not None and retry is not None:
        return await answered_before(call, loaded.answered, retry)
    if loaded.customer is None:
        raise CustomerNotFound
    change = decide(loaded.customer, loaded.data_key)
    if not loaded.customer.pending_events and retry is None:
        return Result(change.customer, change.status)
    outcome = await call.services.store.append(change)
    return None if outcome.kind == "version_conflict" else await result_of(call, change, outcome)


def update(
    call: Call, customer: Customer, data_key: DataKey | None, patch: Patch, retry: Retry | None
) -> Change:
    """The change that merges a patch into a customer. Raises CustomerTooLarge, InvalidRequest."""
    before = customer.values
    after = apply_patch(before, patch)
    customer.update(after, clock.now())
    check_size(rendered(customer))
    old, new = email_key(before["email"]), email_key(after["email"])
    if old == new:
        return change_of(call, customer, data_key, retry)
    return change_of(call, customer, data_key, retry, email_claim=new, email_release=old)


def change_of(
    call: Call,
    customer: Customer,
    data_key: DataKey | None,
    retry: Retry | None,
    *,
    status: int = 200,
    email_claim: str | None = None,
    email_release: str | None = None,
) -> Change:
    """What is pending of a customer, if anything, with who asked for it and the idempotency key."""
    return Change(
        customer,
        data_key,
        metadata=call.metadata(retry),
        status=status,
        email_claim=email_claim,
        email_release=email_release,
        idempotency_key=retry and retry.key,
        fingerprint=retry and retry.fingerprint,
    )
