"""Changes over HTTP: create, update, delete, erase. From a request to a result, or to a refusal."""

from __future__ import annotations

from aiohttp import web

from events.customer import Customer
from events.customer_key import CustomerKey
from events.ids import CUSTOMER_PREFIX, is_id
from events.sealing import DataKey
from events.store import Change
from service import clock
from service.audit.erasing import Request
from service.call import Call, Retry
from service.changes import Decide, change_customer, change_of, update
from service.creating import CreateParameters, create
from service.customer_input import MAX_CUSTOMER_BYTES, parse_create, parse_patch
from service.email_address import email_key
from service.errors import CustomerNotFound, InvalidRequest, VersionMismatch
from service.parameters import Parameters
from service.preconditions import has_weak_tags_alone, matches_if_match
from service.responses import certificate_response
from service.results import Result, respond

SHORTHAND_BYTES = 1024
"""More than a customer's JSON has beyond the body that made it: members that were left out, id, times."""


async def create_customer(call: Call, asked: CreateParameters) -> web.Response:
    """POST /v1/customers."""
    body = await call.json()
    given = parse_create(body)
    may_be_large = call.may_exceed(MAX_CUSTOMER_BYTES - SHORTHAND_BYTES)
    return respond(await create(call, given, call.retry(body), asked.on_duplicate, may_be_large=may_be_large))


async def update_customer(call: Call, _: Parameters) -> web.Response:
    """PATCH /v1/customers/{id}."""
    body = await call.json()
    patch = parse_patch(body)
    retry = call.retry(body)

    def decide(customer: Customer, data_key: DataKey | None) -> Change:
        if customer.deleted:
            raise CustomerNotFound
        _require_match(call, customer)
        return update(call, customer, data_key, patch, retry)

    return respond(await _change(call, retry, decide))


async def delete_customer(call: Call, _: Parameters) -> web.Response:
    """DELETE /v1/customers/{id}."""
    if await call.body():
        raise InvalidRequest("DELETE takes no body")
    retry = call.retry(None)

    def decide(customer: Customer, data_key: DataKey | None) -> Change:
        # What is deleted is in the state asked for, whichever version If-Match names (RFC 9110 §13.1.1).
        if customer.deleted:
            return change_of(call, customer, data_key, retry)
        _require_match(call, customer)
        email = customer.values["email"]
        customer.delete(clock.now())
        return change_of(call, customer, data_key, retry, email_release=email_key(email))

    return respond(await _change(call, retry, decide))


async def erase_customer(call: Call, _: Parameters) -> web.Response:
    """POST /v1/customers/{id}/erase."""
    if await call.body():
        raise InvalidRequest("This POST takes no body")
    customer_id = call.request.match_info["id"]
    retry = call.retry(None)
    erased = CustomerKey(call.merchant_id, customer_id if is_id(CUSTOMER_PREFIX, customer_id) else "")
    request = Request(call.metadata(retry), *(retry or ()))
    erasure = await call.services.eraser.erase(erased, request)
    return certificate_response(erasure.certificate, replayed=erasure.replayed)


def _require_match(call: Call, customer: Customer) -> None:
    header = call.list_header("If-Match")
    if header is not None and not matches_if_match(header, customer.version):
        raise VersionMismatch(VersionMismatch.weak if has_weak_tags_alone(header) else None)


async def _change(call: Call, retry: Retry | None, decide: Decide) -> Result:
    customer_id = call.request.match_info["id"]
    if not is_id(CUSTOMER_PREFIX, customer_id):
        customer_id = ""  # nobody's: the answer is that to an unknown id, in whatever else it depends on
    return await change_customer(call, customer_id, retry, decide)
