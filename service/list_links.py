"""Where else a list can be read: the `Link` header (RFC 8288).

In: the path and the parameters that were asked. Out: relative URLs that ask the same from another place.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

Pairs = Iterable[tuple[str, str]]

CURSORS = {"startingAfter", "endingBefore", "after"}
LONGEST = 2_000  # characters
"""Clients and proxies refuse long headers: who asks at such length has `hasMore` and ids to go on with."""


def link_header(
    path: str,
    asked: Pairs,
    *,
    next_after: str | None,
    prev_before: str | None = None,
    cursor_after: str = "startingAfter",
) -> str | None:
    """The header's value, None where there is nowhere to go. Given are cursors, on and back."""
    kept = [(name, value) for name, value in asked if name not in CURSORS]
    links = [
        f'<{path}?{urlencode([*kept, (cursor, place)])}>; rel="{relation}"'
        for relation, cursor, place in (
            ("next", cursor_after, next_after),
            ("prev", "endingBefore", prev_before),
        )
        if place is not None
    ]
    header = ", ".join(links)
    return header if 0 < len(header) <= LONGEST else None
