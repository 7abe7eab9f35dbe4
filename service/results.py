"""From what the store did to what is answered: a customer, a replayed answer, or a refusal.

In: a change and its outcome. Out: a `Result`, and the response that shows it. A replay shows the customer as
of the version that the first answer had, from its events; no response body is ever stored.
"""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web

from events.command import Outcome
from events.customer import Customer
from events.loading import Answered, Wanted
from events.rendering import render_customer, render_tombstone
from events.store import Change
from service.call import Call, Retry
from service.errors import CustomerErased, DuplicateEmail, IdempotencyKeyReused, InternalError, Unauthorized
from service.preconditions import etag, matches_if_none_match
from service.responses import customer_response, not_modified


class Result(NamedTuple):
    """What a change came to: the customer after it, and the status that says how."""

    customer: Customer
    status: int
    replayed: bool = False
    """Whether an earlier request with the same idempotency key did it."""


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


def respond(result: Result) -> web.Response:
    """The response that shows a result."""
    customer, status, replayed = result
    location = f"/v1/customers/{customer.id}" if status == 201 else None
    return customer_response(
        rendered(customer), etag(customer.version), status=status, location=location, replayed=replayed
    )


def respond_unless_known(call: Call, body: bytes, tag: str) -> web.Response:
    """The response to a read of one customer: 304 where `If-None-Match` names its tag."""
    header = call.list_header("If-None-Match")
    if header is not None and matches_if_none_match(header, tag):
        return not_modified(tag)
    return customer_response(body, tag)


async def result_of(call: Call, change: Change, outcome: Outcome) -> Result:
    """What a change came to.

    Raises DuplicateEmail, IdempotencyKeyReused, Unauthorized (the merchant is gone), InternalError.
    """
    kind = outcome.kind
    if kind in {"appended", "already"}:
        return Result(change.customer, change.status)
    if kind == "email_taken":
        raise DuplicateEmail(change.customer.values["email"])
    if kind == "fingerprint_mismatch":
        raise IdempotencyKeyReused
    if kind == "unknown_merchant":
        raise Unauthorized
    if outcome.customer_id and outcome.version and outcome.status and kind == "replayed":
        return await _replay(call, outcome.customer_id, outcome.version, outcome.status)
    raise InternalError  # a version conflict that its handler did not expect


async def answered_before(call: Call, answered: Answered, retry: Retry) -> Result:
    """The result of a request whose key has been answered before. Raises IdempotencyKeyReused."""
    if answered.fingerprint != retry.fingerprint:
        raise IdempotencyKeyReused
    return await _replay(call, answered.customer_id, answered.version, answered.status)


async def _replay(call: Call, customer_id: str, version: int, status: int) -> Result:
    wanted = Wanted(call.merchant_id, customer_id, last_version=version)
    loaded = await call.services.store.load(wanted)
    if loaded.customer is None:
        raise InternalError
    if loaded.customer.erased and loaded.customer.erased_in is None:
        raise CustomerErased  # what was answered showed what nobody can show any more
    return Result(loaded.customer, status, replayed=True)
