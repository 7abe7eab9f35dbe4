"""Changes: create, update, delete. From a request to an event, or to a refusal.

Each handler decides on the customer folded from its own events, never on a read model, and hands the event
with the email claim and the idempotency key to the store, which writes all or nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from events.customer import Customer
from events.ids import CUSTOMER_PREFIX, is_id
from events.loading import Wanted
from events.sealing import DataKey
from events.store import Change
from service import clock
from service.call import Call, Retry
from service.customer_input import (
    MAX_CUSTOMER_BYTES,
    Patch,
    apply_patch,
    check_size,
    parse_create,
    parse_patch,
)
from service.email_address import email_key
from service.errors import CustomerNotFound, InvalidRequest, Overloaded, VersionMismatch
from service.outcomes import answer, answer_again, rendered
from service.parameters import Parameters
from service.preconditions import matches_if_match

DECISIONS = 50
"""How often a change is decided anew because another process changed the customer meanwhile."""

SHORTHAND_BYTES = 1024
"""More than a customer's JSON has beyond the body that made it: members that were left out, id, times."""

Decide = Callable[[Customer, DataKey | None], Change]
"""From a customer to what becomes of it; raises an ApiError to refuse."""


async def create_customer(call: Call, _: Parameters) -> web.Response:
    """POST /v1/customers."""
    body = await call.json()
    values = parse_create(body)
    retry = call.retry(body)
    customer = Customer.create(clock.new_customer_id(), call.merchant_id, values, clock.now())
    if call.may_exceed(MAX_CUSTOMER_BYTES - SHORTHAND_BYTES):
        check_size(rendered(customer))
    change = Change(
        customer,
        data_key=None,
        metadata=call.metadata(retry),
        status=201,
        email_claim=email_key(values["email"]),
        idempotency_key=retry and retry.key,
        fingerprint=retry and retry.fingerprint,
    )
    return await answer(call, change, await call.services.store.append(change))


async def update_customer(call: Call, _: Parameters) -> web.Response:
    """PATCH /v1/customers/{id}."""
    body = await call.json()
    patch = parse_patch(body)
    retry = call.retry(body)

    def decide(customer: Customer, data_key: DataKey | None) -> Change:
        return _decide_update(call, customer, data_key, patch, retry)

    return await _change(call, retry, decide)


async def delete_customer(call: Call, _: Parameters) -> web.Response:
    """DELETE /v1/customers/{id}."""
    if await call.body():
        raise InvalidRequest("DELETE takes no body")
    retry = call.retry(None)

    def decide(customer: Customer, data_key: DataKey | None) -> Change:
        return _decide_delete(call, customer, data_key, retry)

    return await _change(call, retry, decide)


def _decide_update(
    call: Call, customer: Customer, data_key: DataKey | None, patch: Patch, retry: Retry | None
) -> Change:
    if customer.deleted:
        raise CustomerNotFound
    _require_match(call, customer)
    before = customer.values
    after = apply_patch(before, patch)
    customer.update(after, clock.now())
    check_size(rendered(customer))
    old, new = email_key(before["email"]), email_key(after["email"])
    return Change(
        customer,
        data_key,
        metadata=call.metadata(retry),
        status=200,
        email_claim=new if new != old else None,
        email_release=old if new != old else None,
        idempotency_key=retry and retry.key,
        fingerprint=retry and retry.fingerprint,
    )


def _decide_delete(call: Call, customer: Customer, data_key: DataKey | None, retry: Retry | None) -> Change:
    # What is deleted already is in the state asked for, whichever version If-Match names (RFC 9110 §13.1.1).
    if not customer.deleted:
        _require_match(call, customer)
    release = None if customer.deleted else email_key(customer.values["email"])
    customer.delete(clock.now())
    return Change(
        customer,
        data_key,
        metadata=call.metadata(retry),
        status=200,
        email_release=release,
        idempotency_key=retry and retry.key,
        fingerprint=retry and retry.fingerprint,
    )


def _require_match(call: Call, customer: Customer) -> None:
    header = call.list_header("If-Match")
    if header is not None and not matches_if_match(header, customer.version):
        raise VersionMismatch


async def _change(call: Call, retry: Retry | None, decide: Decide) -> web.Response:
    """Load, decide, append; again when another process was faster."""
    customer_id = call.request.match_info["id"]
    if not is_id(CUSTOMER_PREFIX, customer_id):
        customer_id = ""  # nobody's: the answer is that to an unknown id, in whatever else it depends on
    wanted = Wanted(call.merchant_id, customer_id, retry and retry.key)
    async with call.services.changing.holding((call.merchant_id, customer_id)):
        for _ in range(DECISIONS):
            loaded = await call.services.store.load(wanted)
            if loaded.answered is not None and retry is not None:
                return await answer_again(call, loaded.answered, retry)
            if loaded.customer is None:
                raise CustomerNotFound
            change = decide(loaded.customer, loaded.data_key)
            if not loaded.customer.pending_events and retry is None:
                return await answer(call, change, None)
            outcome = await call.services.store.append(change)
            if outcome.kind != "version_conflict":
                return await answer(call, change, outcome)
    raise Overloaded
