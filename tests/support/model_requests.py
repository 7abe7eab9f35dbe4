"""What goes to the model and comes from it: requests, what the service chose by itself, and answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.support.model_customer import MEMBERS, READ_ONLY, JsonObject

BATCH = "batch"
"""Stands where a customer's id does: /v1/customers/batch."""
ERASE = "ERASE"
"""Stands where a method does: POST /v1/customers/{id}/erase."""

Query = tuple[tuple[str, str], ...]

PHRASES = {
    400: "Bad Request",
    404: "Not Found",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    422: "Unprocessable Content",
}


class Request(NamedTuple):
    """A request to the collection, or to one customer; the headers' values as they are sent."""

    method: str
    customer_id: str | None = None
    body: JsonObject | None = None
    query: Query = ()
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

    def created(self) -> Iterator[str]:
        """The ids of the customers that were made."""
        replayed = {"replayed": True} if "Idempotent-Replayed" in self.headers else {}
        single = {"status": self.status, "customer": self.body, **replayed}
        for result in (self.body or {}).get("results", [single]):
            if result["status"] == 201 and "replayed" not in result:
                yield result["customer"]["id"]


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


def check_members(body: JsonObject) -> None:
    """Refuse a body that sets what it may not. Values of the wrong kind are no concern of the model."""
    for member, value in body.items():
        if member in READ_ONLY:
            raise Refusal(400, "invalid_request", member, member_code="read_only")
        if member not in MEMBERS:
            raise Refusal(400, "invalid_request", member, member_code="unknown_member")
        if member in {"email", "name"} and value is None:
            raise Refusal(400, "invalid_request", member, member_code="not_nullable")
