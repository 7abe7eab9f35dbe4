"""Content negotiation: whether a client would rather have a stream of events than JSON.

In: the `Accept` header. Out: a choice. JSON is what is answered unless a stream is asked for by name.
"""

from __future__ import annotations

import re

_QUALITY = re.compile(r"[01](\.[0-9]{0,3})?")


def prefers_stream(accept: str | None) -> bool:
    """Whether the `Accept` would rather have text/event-stream than JSON (RFC 9110 §12.5.1)."""
    qualities = dict(_qualities(accept or ""))
    stream = qualities.get("text/event-stream", 0.0)
    if "application/json" in qualities:
        return stream > qualities["application/json"]
    others = qualities.get("application/*", qualities.get("*/*", 0.0))
    return stream > 0 and stream >= others


def _qualities(accept: str) -> list[tuple[str, float]]:
    """The media ranges, and how much each is wanted: from 0, not at all, to 1."""
    found = []
    for one in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in one.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                quality = float(value) if _QUALITY.fullmatch(value) else 0.0
        found.append((media_range, quality))
    return found
