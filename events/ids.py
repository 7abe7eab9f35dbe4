"""Identifiers: a prefix and 26 lower-case Crockford base32 characters, ordered by time of creation.

In: milliseconds and ten random bytes. Out: `cus_…`, `mer_…`. The layout is that of a ULID (48 bits of
milliseconds, 80 random bits), so rows made together lie together in an index.
"""

from __future__ import annotations

import re

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
ID_PATTERN = "[0-7][0-9a-hjkmnp-tv-z]{25}"
"""Of what follows the prefix."""

_ID = re.compile(ID_PATTERN)

CUSTOMER_PREFIX = "cus_"
MERCHANT_PREFIX = "mer_"


def make_id(prefix: str, milliseconds: int, random: bytes) -> str:
    """The identifier for this moment; `random` is 10 bytes, `milliseconds` below 2**48."""
    number = milliseconds << 80 | int.from_bytes(random, "big")
    return prefix + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def is_id(prefix: str, text: str) -> bool:
    """Whether the text could have come from `make_id` with this prefix."""
    return text.startswith(prefix) and _ID.fullmatch(text, len(prefix)) is not None
