"""Headers of requests and answers, as the document's components.

Names in, references or objects out. A request's patterns are exact: what they allow is taken.
"""

from __future__ import annotations

from typing import Any

from service.idempotency import MAX_KEY_LENGTH, PATTERN

_TAG = '(?:W/)?"[!#-~]*"'
_TAGS = rf"^(?:\*|{_TAG}(?: ?, ?{_TAG})*)$"
"""As clients write them: what RFC 9110 allows beyond, and is taken, is for lists that were put together."""


def _string(text: str, **rules: Any) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "string", **rules}}


def _always(text: str, example: str, **rules: Any) -> dict[str, Any]:
    return _string(text, **rules) | {"example": example, "required": True}


OF_REQUESTS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": _string(
        f"Makes the request safe to repeat: 1 to {MAX_KEY_LENGTH} printable ASCII characters of your choice, "
        'new for each request that is not a retry. `"k"` and `k` are the same key. '
        "Recorded for ever as a keyed digest: put nothing personal into it.",
        pattern=PATTERN,
    ),
    "If-Match": _string(
        'Change the customer only if it is at one of these versions, such as `"3"` (its `ETag`), or at any '
        "(`*`). A weak tag, as with `expand=stats`, never matches.",
        pattern=_TAGS,
    ),
    "If-None-Match": _string(
        "Answer 304 without a body if what would be answered has one of these tags (its `ETag`).",
        pattern=_TAGS,
    ),
    "Last-Event-ID": _string(
        "The `id` of the last event that came: goes before `after`, if it is further on.",
        pattern="^[0-9]{1,15}$",
    ),
    "X-Correlation-Id": _string(
        "Recorded for ever if it is 1 to 64 of `A-Za-z0-9._-`, else ignored: put nothing personal into it."
    ),
    "traceparent": _string("W3C Trace Context; recorded, or ignored if it is malformed."),
}
"""As parameters of operations; none is required."""

OF_ANSWERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": _always(
        "Names this request; quote it when you ask about it.",
        "req_0123456789abcdef01234567",
        pattern="^req_[0-9a-f]{24}$",
    ),
    "Cache-Control": _always("How long the answer may be kept, and by whom.", "private, no-cache"),
    "ETag": _always(
        "The version, for `If-Match` and `If-None-Match`. Weak where stats are in the answer.",
        '"3"',
        pattern=r'^(?:W/)?"[\x21\x23-\x7e]+"$',
    ),
    "Location": _always(
        "The new customer's path.",
        "/v1/customers/cus_01jd4q8w9zexampxexampxe000",
        pattern="^/v1/customers/cus_[0-9a-z]{26}$",
    ),
    "Link": _string(
        'Where else the list can be read (RFC 8288): relative URLs, `rel="next"` to go on, `rel="prev"` back.'
    ),
    "Ledger-Epoch": _always(
        "Which history of the merchant's events this is of: a restore that lost events begins another.",
        "1",
        pattern="^[1-9][0-9]*$",
    ),
    "Idempotent-Replayed": _string(
        "`true`: the request was a retry, and this is what was answered the first time.", const="true"
    ),
    "WWW-Authenticate": _always("How to authenticate.", 'Bearer realm="customers"'),
    "Retry-After": _always("Seconds after which a retry makes sense.", "1", pattern="^[1-9][0-9]*$"),
    "RateLimit": _string(
        'What is left to the key, where it has a limit: `"default";r=<requests>;t=<seconds>`.'
    ),
    "RateLimit-Policy": _string(
        'The limit of the key, where it has one: `"default";q=<requests>;w=<seconds>`.'
    ),
    "Accept-Patch": _string("The media types that PATCH takes (RFC 5789)."),
    "Content-Security-Policy": _always(
        "What the page may load: nothing from elsewhere.", "default-src 'none'"
    ),
}
"""As components; those that an answer may lack are not required."""

OF_EVERY_ANSWER = ("X-Request-Id",)
OF_OPERATIONS = ("Cache-Control", "RateLimit", "RateLimit-Policy")
"""Of those that need a key."""
OF_ERRORS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
"""Beyond those of every answer, by status."""


def request_header(name: str) -> dict[str, str]:
    """A reference to a header of requests."""
    return {"$ref": f"#/components/parameters/{name}"}


def request_headers() -> dict[str, Any]:
    """The components that those refer to."""
    return {name: {"name": name, "in": "header", **header} for name, header in OF_REQUESTS.items()}


def answer_headers(*names: str) -> dict[str, Any]:
    """References to headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, *OF_EVERY_ANSWER)}
