"""What a machine asks, as strategies of Hypothesis, and its way over HTTP.

In: few values, so that requests collide often. Out: requests of the model, sent; and answers, as the model
gives them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st

from tests.support.api import Answer, Client
from tests.support.model import Expected, Request, Told
from tests.support.model_customer import LINES, MAILBOXES

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
conditions = st.sampled_from([None, None, None, "current", "stale", "weak", "any", "several"])
sides = st.sampled_from([0, 1])
seldom = st.sampled_from([False, False, False, True])
leaving = st.sampled_from(["PATCH", "PATCH", "DELETE"])
numbers = st.integers(0, 999)
limits = st.sampled_from([None, "1", "2", "3", "100"])
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
    return await client.request(request.method, path + query, request.body, given)


def told(answer: Answer) -> Told:
    """What the service chose, if this answer says so."""
    body = answer.json() if answer.body else {}
    return Told(body.get("id", ""), body.get("updated", 0))


def shown(answer: Answer, *, with_message: bool) -> Expected:
    """The answer as the model gives it."""
    body: Any = answer.json() if answer.body else None
    if answer.status >= 400:
        assert body.pop("requestId") == answer.headers["X-Request-Id"]
        assert with_message or body.pop("message")
        assert all(error.pop("message") for error in body.get("errors", []))
    headers = {name: answer.headers[name] for name in COMPARED if name in answer.headers}
    return Expected(answer.status, body, headers)
