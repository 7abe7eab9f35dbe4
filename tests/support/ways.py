"""The ways that a machine can go: what was remarkable about a request and its answer.

In: a request, what it was answered, and the model afterwards. Out: names of ways, of which `WAYS` are those
that a run must have gone, so that no comparison with the model is one that never happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.support.model import Merchant
from tests.support.model_customer import Customer, mailbox
from tests.support.model_requests import BATCH, ERASE, Expected, Request


def ways(request: Request, expected: Expected, model: Merchant, was: Mapping[str, int]) -> Iterator[str]:
    """What was remarkable about a request and its answer; `was` are the customers' versions before it."""
    body, query = expected.body or {}, dict(request.query)
    place = "one" if request.customer_id else "all"
    yield f"{request.method} {place} {expected.status} {body.get('code', '')}".rstrip()
    cursor = model.customers.get(query.get("startingAfter") or query.get("endingBefore") or "")
    if cursor is not None and cursor.values is None:
        yield "a cursor at a deleted customer"
    if "totalCount" in body:
        yield "counted"
    if body.get("data") and query.keys() & {"companyName", "metadata[a]", "metadata[b]"}:
        yield "found by a filter"
    if body.get("hasMore"):
        yield "there is more"
    for result in body.get("results", []):
        yield f"item {result['status']}" + (" replayed" if "replayed" in result else "")
    if request.customer_id == BATCH:
        return
    customer = model.customers.get(request.customer_id or "")
    if customer is not None and expected.status == 200:
        yield from _ways_of_the_past(request, expected, customer, was)
    if request.method in {"POST", "PATCH", "DELETE"} and expected.status < 400:
        yield from _ways_of_a_change(request, expected, model, was)


def _ways_of_the_past(
    request: Request, expected: Expected, customer: Customer, was: Mapping[str, int]
) -> Iterator[str]:
    if int(dict(request.query).get("version", len(customer.versions))) < len(customer.versions):
        yield "an older version"
    if request.method == ERASE:
        yield _way_of_an_erasure(expected, customer, was)


def _way_of_an_erasure(expected: Expected, customer: Customer, was: Mapping[str, int]) -> str:
    if "Idempotent-Replayed" in expected.headers:
        return "ERASE replayed"
    if was[customer.id] == customer.erased_in:
        return "erased again"
    return "erased" if customer.versions[-2].values is not None else "erased a deleted one"


def _ways_of_a_change(
    request: Request, expected: Expected, model: Merchant, was: Mapping[str, int]
) -> Iterator[str]:
    customer = model.customers[expected.body["id"]]
    version = int(expected.headers["ETag"].strip('"'))
    if "Idempotent-Replayed" in expected.headers:
        yield f"{request.method} replayed"
        if len(customer.versions) > version:
            yield "replayed as of an older version"
        if customer.values is None and version < len(customer.versions):
            yield "replayed although it is deleted"
        return
    if was.get(customer.id) == version:
        yield "deleted again" if request.method == "DELETE" else "changed nothing"
    elif request.body and "email" in request.body:
        yield from _ways_of_an_email(customer, model)


def _ways_of_an_email(customer: Customer, model: Merchant) -> Iterator[str]:
    email = customer.body()["email"]
    if len(customer.versions) > 1:
        before = customer.body(len(customer.versions) - 1)["email"]
        if before != email and mailbox(before) == mailbox(email):
            yield "respelled its email"
    for other in model.customers.values():
        if other is not customer and email_of_another_time(other, email):
            yield "took the email of a deleted one" if other.values is None else "took an email that was left"


def email_of_another_time(customer: Customer, email: str) -> bool:
    """Whether the customer had this mailbox at any time."""
    return any(
        version.values is not None and mailbox(version.values["email"]) == mailbox(email)
        for version in customer.versions
    )


WAYS = frozenset(
    {
        "POST all 201",
        "POST all 400 invalid_request",
        "POST all 409 duplicate_email",
        "POST all 422 idempotency_key_reused",
        "POST all 200",
        "item 200",
        "item 201",
        "item 400",
        "item 409",
        "item 201 replayed",
        "PATCH one 200",
        "PATCH one 400 invalid_request",
        "PATCH one 404 customer_not_found",
        "PATCH one 409 duplicate_email",
        "PATCH one 412 version_mismatch",
        "DELETE one 200",
        "DELETE one 404 customer_not_found",
        "DELETE one 412 version_mismatch",
        "DELETE one 422 idempotency_key_reused",
        "DELETE one 410 customer_erased",
        "ERASE one 404 customer_not_found",
        "PATCH one 410 customer_erased",
        "GET one 200",
        "GET one 304",
        "GET one 404 customer_not_found",
        "GET one 410 customer_erased",
        "HEAD one 200",
        "GET all 200",
        "GET all 400 invalid_cursor",
        "an older version",
        "counted",
        "found by a filter",
        "there is more",
        "a cursor at a deleted customer",
        "changed nothing",
        "deleted again",
        "erased",
        "erased a deleted one",
        "erased again",
        "respelled its email",
        "took the email of a deleted one",
        "took an email that was left",
        "POST replayed",
        "PATCH replayed",
        "DELETE replayed",
        "ERASE replayed",
        "replayed as of an older version",
        "replayed although it is deleted",
    }
)
"""The ways that a run of some length must have gone."""
