"""From what the store did to the answer: a customer, a replayed answer, or a refusal.

In: a change and its outcome. Out: a response. A replay renders the customer as of the version that the first
answer had, from its events; no response body is ever stored.
"""

from __future__ import annotations

from aiohttp import web

from events.command import Outcome
from events.customer import Customer
from events.loading import Answered, Wanted
from events.rendering import render_customer, render_tombstone
from events.store import Change
from service.call import Call, Retry
from service.errors import DuplicateEmail, IdempotencyKeyReused, InternalError, Unauthorized
from service.preconditions import etag
from service.responses import customer_response


def rendered(customer: Customer) -> bytes:
    """The customer, or its tombstone, as JSON."""
    if customer.deleted:
        return render_tombstone(customer.id)
    return render_customer(
        customer.id,
        customer.values,
        int(customer.created_on.timestamp()),
        int(customer.modified_on.timestamp()),
    )


async def answer(call: Call, change: Change, outcome: Outcome | None) -> web.Response:
    """The response to a change; without an outcome, one that needed no writing."""
    kind = outcome.kind if outcome else "appended"
    if kind in {"appended", "already"}:
        return _response(change.customer, change.status)
    if kind == "email_taken":
        raise DuplicateEmail(change.customer.values["email"])
    if kind == "fingerprint_mismatch":
        raise IdempotencyKeyReused
    if kind == "unknown_merchant":
        raise Unauthorized
    if outcome and outcome.customer_id and outcome.version and outcome.status and kind == "replayed":
        return await _replay(call, outcome.customer_id, outcome.version, outcome.status)
    raise InternalError  # a version conflict that its handler did not expect


async def answer_again(call: Call, answered: Answered, retry: Retry) -> web.Response:
    """The response to a request whose key has been answered before. Raises IdempotencyKeyReused."""
    if answered.fingerprint != retry.fingerprint:
        raise IdempotencyKeyReused
    return await _replay(call, answered.customer_id, answered.version, answered.status)


async def _replay(call: Call, customer_id: str, version: int, status: int) -> web.Response:
    wanted = Wanted(call.merchant_id, customer_id, last_version=version)
    loaded = await call.services.store.load(wanted)
    if loaded.customer is None:
        raise InternalError
    return _response(loaded.customer, status, replayed=True)


def _response(customer: Customer, status: int, *, replayed: bool = False) -> web.Response:
    location = f"/v1/customers/{customer.id}" if status == 201 else None
    return customer_response(
        rendered(customer), etag(customer.version), status=status, location=location, replayed=replayed
    )
