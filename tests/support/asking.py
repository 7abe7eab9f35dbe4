"""What a machine asks, as strategies of Hypothesis, and its way over HTTP.

In: few values, so that requests collide often. Out: requests of the model, sent; and answers, as the model
gives them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st

from tests.support.api import Answer, Client
from tests.support.model_customer import LINES, MAILBOXES, JsonObject
from tests.support.model_requests import ERASE, Expected, Request, Told

CERTIFIED = ("object", "customerId", "version")
COMPARED = ("ETag", "Location", "Idempotent-Replayed")
UNKNOWN = "cus_01jd4q8w9zexampxexampxe000"

texts = st.sampled_from(["1", "two", "Zoë & 日本 🙂", 'say "\\"'])
emails = st.sampled_from([spelling for spellings in MAILBOXES.values() for spelling in spellings])
addresses = st.dictionaries(st.sampled_from(LINES[:3]), st.none() | texts, max_size=3)
countries = st.fixed_dictionaries({}, optional={"country": st.sampled_from(["us", "US", "fr", None])})
metadata = st.dictionaries(st.sampled_from(["a", "b", "ä"]), st.none() | texts, max_size=3)
optional: dict[str, st.SearchStrategy[Any]] = {
    "phone": st.none() | texts,
    "address": st.none() | st.builds(lambda one, other: one | other, addresses, countries),
    "companyName": st.none() | texts,
    "taxId": st.none() | texts,
    "description": st.none() | texts,
    "metadata": st.none() | metadata,
}
creations = st.fixed_dictionaries({"email": emails, "name": texts}, optional=optional)
patches = st.fixed_dictionaries({}, optional={"email": emails, "name": texts} | optional)
refused = st.sampled_from(
    [
        {"email": None},
        {"name": None},
        {"id": UNKNOWN},
        {"created": 1},
        {"updated": None},
        {"totalSpent": "1.00"},
        {"merchantId": "mer_1"},
        {"version": 9},
        {"deleted": False},
    ]
)
refused_creations = st.builds(lambda wrong: {"email": "kim@example.com", "name": "1", **wrong}, refused)
batches = st.lists(creations | refused_creations, min_size=1, max_size=4)
on_duplicates = st.sampled_from([(), (), (("onDuplicate", "return"),), (("onDuplicate", "update"),)])
conditions = st.sampled_from([None, None, None, "current", "stale", "weak", "any", "several"])
sides = st.sampled_from([0, 1])
seldom = st.sampled_from([False, False, False, True])
true = st.just("true")
filters: st.SearchStrategy[dict[str, str]] = st.fixed_dictionaries(
    {},
    optional={
        "metadata[a]": texts,
        "expand": st.just("stats"),
        "count": true,
        "fresh": true,
    },
)
changing = st.sampled_from(["POST", "PATCH", "DELETE"])
leaving = st.sampled_from(["PATCH", "PATCH", "DELETE"])
numbers = st.integers(0, 999)
limits = st.sampled_from([None, "1", "2", "3", "100"])
bounds = st.sampled_from(["created[gt]", "created[lte]", "updated[gte]", "updated[lt]"])
directions = st.sampled_from(["startingAfter", "endingBefore"])


def condition(kind: str | None, version: int) -> str | None:
    """The value of an If-Match or If-None-Match header."""
    return {
        None: None,
        "current": f'"{version}"',
        "stale": f'"{version - 1}"',
        "weak": f'W/"{version}"',
        "any": "*",
        "several": f'"{version + 7}", "{version}"',
    }[kind]


def a_change(method: str, customer_id: str, members: JsonObject) -> Request:
    """A create of these members, or a change of this customer to them, or its deletion."""
    body = None if method == "DELETE" else members
    return Request(method, None if method == "POST" else customer_id, body)


async def send(client: Client, request: Request) -> Answer:
    """The request over HTTP."""
    path = "/v1/customers" + (f"/{request.customer_id}" if request.customer_id else "")
    query = f"?{urlencode(request.query)}" if request.query else ""
    headers = {
        "Idempotency-Key": request.key,
        "If-Match": request.if_match,
        "If-None-Match": request.if_none_match,
    }
    given = {name: value for name, value in headers.items() if value is not None}
    if request.method == ERASE:
        return await client.request("POST", f"{path}/erase", None, given)
    return await client.request(request.method, path + query, request.body, given)


def told(answer: Answer) -> list[Told]:
    """What the service chose, if this answer says so; of a batch for each of its items."""
    body = answer.json() if answer.body else {}
    results = body.get("results")
    customers = [body] if results is None else [result.get("customer", {}) for result in results]
    return [Told(one.get("id", ""), one.get("updated", 0)) for one in customers]


def shown(answer: Answer) -> Expected:
    """The answer as the model gives it."""
    body: Any = answer.json() if answer.body else None
    if answer.status >= 400:
        reduce_refusal(body, answer.headers["X-Request-Id"])
    for result in (body or {}).get("results", []):
        if "error" in result:
            reduce_refusal(result["error"], answer.headers["X-Request-Id"])
    if (body or {}).get("object") == "erasure_certificate":
        body = {name: body[name] for name in CERTIFIED}
    headers = {name: answer.headers[name] for name in COMPARED if name in answer.headers}
    return Expected(answer.status, body, headers)


def reduce_refusal(body: Any, request_id: str) -> None:
    """Take from a refusal what the contract leaves open: its id, and most texts."""
    assert body.pop("requestId") == request_id
    assert body["code"] == "duplicate_email" or body.pop("message")
    assert all(error.pop("message") for error in body.get("errors", []))
