"""The service as a model: a merchant's customers in a dict, and what every request must be answered.

In: a request, and what only the service can know: the identifier and the time that it chose, taken from its
answer. Out: the answer as it has to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from tests.support.model_customer import Customer, JsonObject, Version, mailbox, merge_patch, normal
from tests.support.model_requests import BATCH, ERASE, Expected, Refusal, Request, Told, check_members

NO_STATS = {"invoiceCount": 0, "chargeCount": 0, "totalSpent": "0.00"}
DEFAULT_LIMIT = 10
ITEM = "item of a batch"
"""What an item is asked of, so that its key fits no single request."""


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

    def answer(self, request: Request, told: Sequence[Told]) -> Expected:
        """What the service must answer; afterwards the model is as the service must be.

        `told` has an entry for each item of a batch, and one for any other request.
        """
        try:
            if request.method in {"GET", "HEAD"}:
                return self._get(request) if request.customer_id else self._list(dict(request.query))
            if request.customer_id == BATCH:
                return self._batch(request, told)
            check_members(request.body or {})
            return self._replayed(request) or self._change(request, told[0])
        except Refusal as refusal:
            return refusal.expected

    # Changes

    def _replayed(self, request: Request) -> Expected | None:
        first = self.answered.get(request.key or "")
        if first is None:
            return None
        if first.fingerprint != request.fingerprint:
            raise Refusal(422, "idempotency_key_reused", "Idempotency-Key")
        if request.method != ERASE and first.version < (first.customer.erased_in or 0):
            raise Refusal(410, "customer_erased")
        return self._answer(request, first, replayed=True)

    def _change(self, request: Request, told: Told) -> Expected:
        change = {
            "POST": self._create,
            "PATCH": self._update,
            "DELETE": self._delete,
            ERASE: self._erase,
        }
        known = len(self.customers)
        customer = change[request.method](request, told)
        status = 201 if len(self.customers) > known else 200
        answered = Answered(request.fingerprint, customer, len(customer.versions), status)
        if request.key is not None:
            self.answered[request.key] = answered
        return self._answer(request, answered)

    def _create(self, request: Request, told: Told) -> Customer:
        values = normal(merge_patch({}, request.body))
        owner, on_duplicate = self.owner(values["email"]), dict(request.query).get("onDuplicate")
        if owner is not None and on_duplicate == "return":
            return owner
        if owner is not None and on_duplicate == "update":
            return self._merge(owner, request.body, told)
        self._require_free(values["email"], None)
        is_new = told.customer_id not in self.customers
        customer = Customer(told.customer_id if is_new else "an id that was not there", [])
        self.customers[customer.id] = customer
        self._write(customer, values, told)
        return customer

    def _batch(self, request: Request, told: Sequence[Told]) -> Expected:
        results = []
        items = (request.body or {})["customers"]
        for number, (item, item_told) in enumerate(zip(items, told, strict=True)):
            members = {name: value for name, value in item.items() if name != "idempotencyKey"}
            key = item.get("idempotencyKey") or (request.key and f"{request.key}/{number}")
            answer = self.answer(request._replace(customer_id=ITEM, body=members, key=key), [item_told])
            results.append(item_result(answer))
        return Expected(200, {"object": "batch", "results": results})

    def _update(self, request: Request, told: Told) -> Customer:
        customer = self._customer(request)
        if customer.values is None:
            raise Refusal(404, "customer_not_found")
        self._require_match(request, customer)
        return self._merge(customer, request.body, told)

    def _merge(self, customer: Customer, patch: Any, told: Told) -> Customer:
        values = normal(merge_patch(customer.values, patch))
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

    def _erase(self, request: Request, told: Told) -> Customer:
        customer = self._customer(request)
        if customer.erased_in is None:
            self._write(customer, None, told)
            customer.erased_in = len(customer.versions)
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
        if self.owner(email) not in (None, customer):
            message = f'Email "{email}" already exists for this merchant'
            raise Refusal(409, "duplicate_email", "email", message=message)

    def owner(self, email: str) -> Customer | None:
        """The customer who has this mailbox now."""
        for customer in self.customers.values():
            if customer.values is not None and mailbox(customer.values["email"]) == mailbox(email):
                return customer
        return None

    def _answer(self, request: Request, answered: Answered, *, replayed: bool = False) -> Expected:
        headers = {"Idempotent-Replayed": "true"} if replayed else {}
        if request.method == ERASE:
            return Expected(200, certificate(answered.customer), headers)
        headers["ETag"] = f'"{answered.version}"'
        if answered.status == 201:
            headers["Location"] = f"/v1/customers/{answered.customer.id}"
        return Expected(answered.status, answered.customer.body(answered.version), headers)

    # Reads

    def _get(self, request: Request) -> Expected:
        customer = self._customer(request)
        if "version" in dict(request.query):
            return self._get_version(customer, int(dict(request.query)["version"]))
        body, tag = customer.body(), f'"{len(customer.versions)}"'
        if ("expand", "stats") in request.query and customer.values is not None:
            body, tag = body | NO_STATS, f'W/"{len(customer.versions)}-0-0-0.00"'
        header = request.if_none_match
        if header is not None and (header == "*" or opaque(tag) in map(opaque, header.split(", "))):
            return Expected(304, None, {"ETag": tag})
        return Expected(200, None if request.method == "HEAD" else body, {"ETag": tag})

    def _get_version(self, customer: Customer, version: int) -> Expected:
        if customer.erased_in is not None:
            raise Refusal(410, "customer_erased")
        if version > len(customer.versions):
            raise Refusal(404, "customer_not_found")
        return Expected(200, customer.body(version), {"ETag": f'"{version}"'})

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
        body = {"object": "list", "url": "/v1/customers", "hasMore": has_more, "data": data}
        if query.get("count") == "true":
            body["totalCount"] = sum(self._matches(one, query) for one in newest_first)
        return Expected(200, body)

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
        if "email" in query and self.owner(query["email"]) is not customer:
            return False
        if customer.values.get("companyName") != query.get("companyName", customer.values.get("companyName")):
            return False
        kept = customer.values.get("metadata", {})
        if any(kept.get(name[9:-1]) != query[name] for name in query if name.startswith("metadata[")):
            return False
        times = {"created": customer.created, "updated": customer.versions[-1].updated}
        return all(
            within(times[name], bound, int(query[f"{name}[{bound}]"]))
            for name in times
            for bound in ("gt", "gte", "lt", "lte")
            if f"{name}[{bound}]" in query
        )


def certificate(customer: Customer) -> JsonObject:
    """What of a certificate of erasure does not depend on the ledger and the hour."""
    return {"object": "erasure_certificate", "customerId": customer.id, "version": customer.erased_in}


def item_result(answer: Expected) -> JsonObject:
    """An answer as an item of a batch shows it."""
    if answer.status >= 400:
        return {"status": answer.status, "error": answer.body}
    replayed = {"replayed": True} if "Idempotent-Replayed" in answer.headers else {}
    return {"status": answer.status, "customer": answer.body} | replayed


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
