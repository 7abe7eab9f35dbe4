"""The service as a model: a merchant's customers in a dict, and what every request must be answered.

In: a request, and what only the service can know: the identifier and the time that it chose, taken from its
answer. Out: the answer as it has to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from tests.support.model_customer import (
    MEMBERS,
    READ_ONLY,
    Customer,
    JsonObject,
    Version,
    mailbox,
    merge_patch,
    normal,
)

NO_STATS = {"invoiceCount": 0, "chargeCount": 0, "totalSpent": "0.00"}
PHRASES = {
    400: "Bad Request",
    404: "Not Found",
    409: "Conflict",
    412: "Precondition Failed",
    422: "Unprocessable Content",
}
DEFAULT_LIMIT = 10


class Request(NamedTuple):
    """A request to the collection, or to one customer; the headers' values as they are sent."""

    method: str
    customer_id: str | None = None
    body: JsonObject | None = None
    query: tuple[tuple[str, str], ...] = ()
    key: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None

    @property
    def fingerprint(self) -> object:
        """What a retry has in common with the first request."""
        return self.method, self.customer_id, sorted(self.query), self.body


class Told(NamedTuple):
    """What the service chose: an identifier and a time (s), if its answer has them."""

    customer_id: str = ""
    updated: int = 0


class Expected(NamedTuple):
    """An answer: its JSON (None: no body), and those headers that depend on the request.

    A refusal is without request id, and without messages unless the contract gives their text.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = {}


class Refusal(Exception):
    """One of the contract's errors."""

    def __init__(
        self, status: int, code: str, param: str | None = None, *, message: str = "", member_code: str = ""
    ) -> None:
        body: JsonObject = {"statusCode": status, "error": PHRASES[status], "code": code}
        if message:
            body["message"] = message
        if param:
            body["param"] = param
        if member_code:
            body["errors"] = [{"param": param, "code": member_code}]
        self.expected = Expected(status, body)


class Answered(NamedTuple):
    """A request that an idempotency key stands for, and what it was answered."""

    fingerprint: object
    customer: Customer
    version: int
    status: int


@dataclass
class Merchant:
    """A merchant: customers by id in the order of their creation, and the idempotency keys that were used."""

    customers: dict[str, Customer] = field(default_factory=dict)
    answered: dict[str, Answered] = field(default_factory=dict)
    latest: int = 0

    def answer(self, request: Request, told: Told) -> Expected:
        """What the service must answer; afterwards the model is as the service must be."""
        try:
            if request.method in {"GET", "HEAD"}:
                return self._get(request) if request.customer_id else self._list(dict(request.query))
            check_members(request.body or {})
            return self._replayed(request) or self._change(request, told)
        except Refusal as refusal:
            return refusal.expected

    # Changes

    def _replayed(self, request: Request) -> Expected | None:
        first = self.answered.get(request.key or "")
        if first is None:
            return None
        if first.fingerprint != request.fingerprint:
            raise Refusal(422, "idempotency_key_reused", "Idempotency-Key")
        return self._customer_answer(first, replayed=True)

    def _change(self, request: Request, told: Told) -> Expected:
        change = {"POST": self._create, "PATCH": self._update, "DELETE": self._delete}[request.method]
        customer = change(request, told)
        status = 201 if request.method == "POST" else 200
        answered = Answered(request.fingerprint, customer, len(customer.versions), status)
        if request.key is not None:
            self.answered[request.key] = answered
        return self._customer_answer(answered)

    def _create(self, request: Request, told: Told) -> Customer:
        values = normal(merge_patch({}, request.body))
        self._require_free(values["email"], None)
        is_new = told.customer_id not in self.customers
        customer = Customer(told.customer_id if is_new else "an id that was not there", [])
        self.customers[customer.id] = customer
        self._write(customer, values, told)
        return customer

    def _update(self, request: Request, told: Told) -> Customer:
        customer = self._customer(request)
        if customer.values is None:
            raise Refusal(404, "customer_not_found")
        self._require_match(request, customer)
        values = normal(merge_patch(customer.values, request.body))
        self._require_free(values["email"], customer)
        if values != customer.values:
            self._write(customer, values, told)
        return customer

    def _delete(self, request: Request, told: Told) -> Customer:
        customer = self._customer(request)
        if customer.values is not None:
            self._require_match(request, customer)
            self._write(customer, None, told)
        return customer

    def _write(self, customer: Customer, values: JsonObject | None, told: Told) -> None:
        self.latest = max(self.latest, told.updated)  # time never goes back
        customer.versions.append(Version(values, self.latest))

    def _customer(self, request: Request) -> Customer:
        customer = self.customers.get(request.customer_id or "")
        if customer is None:
            raise Refusal(404, "customer_not_found")
        return customer

    def _require_match(self, request: Request, customer: Customer) -> None:
        header, tag = request.if_match, f'"{len(customer.versions)}"'
        if header is not None and header != "*" and tag not in header.split(", "):
            raise Refusal(412, "version_mismatch", "If-Match")

    def _require_free(self, email: str, customer: Customer | None) -> None:
        if self.owner(email) not in {None, customer and customer.id}:
            message = f'Email "{email}" already exists for this merchant'
            raise Refusal(409, "duplicate_email", "email", message=message)

    def owner(self, email: str) -> str | None:
        """The id of the customer who has this mailbox now."""
        for customer in self.customers.values():
            if customer.values is not None and mailbox(customer.values["email"]) == mailbox(email):
                return customer.id
        return None

    def _customer_answer(self, answered: Answered, *, replayed: bool = False) -> Expected:
        headers = {"ETag": f'"{answered.version}"'}
        if answered.status == 201:
            headers["Location"] = f"/v1/customers/{answered.customer.id}"
        if replayed:
            headers["Idempotent-Replayed"] = "true"
        return Expected(answered.status, answered.customer.body(answered.version), headers)

    # Reads

    def _get(self, request: Request) -> Expected:
        customer = self._customer(request)
        body, tag = customer.body(), f'"{len(customer.versions)}"'
        if ("expand", "stats") in request.query and customer.values is not None:
            body, tag = body | NO_STATS, f'W/"{len(customer.versions)}-0-0-0.00"'
        header = request.if_none_match
        if header is not None and (header == "*" or opaque(tag) in map(opaque, header.split(", "))):
            return Expected(304, None, {"ETag": tag})
        return Expected(200, None if request.method == "HEAD" else body, {"ETag": tag})

    def _list(self, query: Mapping[str, str]) -> Expected:
        newest_first = list(reversed(self.customers.values()))
        found = [customer for customer in self._beyond(newest_first, query) if self._matches(customer, query)]
        limit = int(query.get("limit", DEFAULT_LIMIT))
        page = list(islice(found, limit))
        if "endingBefore" in query:
            page.reverse()
        more = NO_STATS if query.get("expand") == "stats" else {}
        data = [customer.body() | more for customer in page]
        has_more = len(found) > limit
        return Expected(200, {"object": "list", "url": "/v1/customers", "hasMore": has_more, "data": data})

    def _beyond(self, newest_first: list[Customer], query: Mapping[str, str]) -> list[Customer]:
        """Those in the direction asked, the nearest first."""
        ids = [customer.id for customer in newest_first]
        for parameter in ("startingAfter", "endingBefore"):
            cursor = query.get(parameter)
            if cursor is not None and cursor not in ids:
                raise Refusal(400, "invalid_cursor", parameter)
        if "startingAfter" in query:
            return newest_first[ids.index(query["startingAfter"]) + 1 :]
        if "endingBefore" in query:
            return newest_first[: ids.index(query["endingBefore"])][::-1]
        return newest_first

    def _matches(self, customer: Customer, query: Mapping[str, str]) -> bool:
        if customer.values is None:
            return False
        if "email" in query and self.owner(query["email"]) != customer.id:
            return False
        times = {"created": customer.created, "updated": customer.versions[-1].updated}
        return all(
            within(times[name], bound, int(query[f"{name}[{bound}]"]))
            for name in times
            for bound in ("gt", "gte", "lt", "lte")
            if f"{name}[{bound}]" in query
        )


def within(moment: int, bound: str, second: int) -> bool:
    """Whether a time lies on this side of a bound."""
    return {
        "gt": moment > second,
        "gte": moment >= second,
        "lt": moment < second,
        "lte": moment <= second,
    }[bound]


def opaque(tag: str) -> str:
    """A tag for the weak comparison of RFC 9110 §8.8.3.2."""
    return tag.removeprefix("W/")


def check_members(body: JsonObject) -> None:
    """Refuse a body that sets what it may not. Values of the wrong kind are no concern of the model."""
    for member, value in body.items():
        if member in READ_ONLY:
            raise Refusal(400, "invalid_request", member, member_code="read_only")
        if member not in MEMBERS:
            raise Refusal(400, "invalid_request", member, member_code="unknown_member")
        if member in {"email", "name"} and value is None:
            raise Refusal(400, "invalid_request", member, member_code="not_nullable")
