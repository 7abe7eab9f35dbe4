"""How ids, times and other short texts look, as regular expressions of a whole text, without anchors.

They are written in what Python, ECMAScript and RE2 read alike: published schemas have them, too.
"""

from __future__ import annotations

from events.ids import CUSTOMER_PREFIX, ID_PATTERN

CUSTOMER_ID = CUSTOMER_PREFIX + ID_PATTERN
MERCHANT_ID = "[A-Za-z0-9_-]{1,64}"
"""A token of message subjects."""
CURRENCY = "[A-Z][A-Z0-9]{1,15}"
HASH = "[0-9a-f]{64}"
"""SHA-256 in hexadecimal."""
TRACEPARENT = "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
"""W3C Trace Context."""
MICROSECONDS = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
"""A time as it is told: RFC 3339 in UTC, six digits of a second."""
RFC3339 = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:([0-9]{2})(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
"""A time as it is read; the group is its seconds, which may be 60. That there is such a day is not said."""


def whole(pattern: str) -> str:
    """With the anchors that JSON Schema wants."""
    return f"^{pattern}$"
