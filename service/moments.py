"""Moments as people and programs give them: whole Unix seconds, or RFC 3339.

In: text. Out: the last µs since 1970 that belongs to it. A whole second means all of it; a date and time is
exact to the microsecond, and events have no finer times.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from events.moments import SECOND, read_rfc3339
from service.parameters import LATEST_SECOND, must

_SECONDS = re.compile(r"[0-9]{1,12}")


def read_moment(text: str) -> int:
    """The moment in µs. Raises ValueError, which continues a name."""
    if _SECONDS.fullmatch(text) and int(text) <= LATEST_SECOND:
        return (int(text) + 1) * SECOND - 1
    try:
        return read_rfc3339(text)
    except ValueError:
        raise ValueError(
            "must be Unix seconds, such as 1706554800, or a time of RFC 3339, such as 2024-01-29T19:00:00.5Z"
        ) from None


def _parameter(text: str) -> int:
    try:
        return read_moment(text)
    except ValueError as error:
        sentence = str(error).removeprefix("must ")
        raise must(f"{sentence} (in a URL the + of an offset is %2B)") from None


Moment = Annotated[
    int,
    BeforeValidator(_parameter),
    WithJsonSchema(
        {
            "oneOf": [
                {"type": "integer", "minimum": 0, "maximum": LATEST_SECOND},
                {"type": "string", "format": "date-time"},
            ]
        }
    ),
]
"""A parameter that is a moment, in µs."""
