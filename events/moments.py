"""Times as text, by RFC 3339. In: text. Out: µs since 1970; finer digits are cut off."""

from __future__ import annotations

import re
from datetime import datetime

from events.mapper import to_microseconds
from events.wire.patterns import RFC3339

SECOND = 1_000_000
"""µs."""

_RFC3339 = re.compile(RFC3339)


def read_rfc3339(text: str) -> int:
    """The moment; a leap second counts into the next one. Raises ValueError, which continues a name."""
    text = text.upper()
    found = _RFC3339.fullmatch(text)
    if not found:
        raise ValueError("must be a time of RFC 3339 such as 2024-01-15T12:15:00Z")
    try:
        if found[1] == "60":
            return to_microseconds(datetime.fromisoformat(f"{text[:17]}59{text[19:]}")) + SECOND
        return to_microseconds(datetime.fromisoformat(text))
    except ValueError:
        raise ValueError("is no time that there is") from None
