"""Where else a list can be read: the `Link` header (RFC 8288).

In: the path and the parameters that were asked. Out: relative URLs that ask the same from another place.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

Pairs = Iterable[tuple[str, str]]

CURSORS = {"startingAfter", "endingBefore"}
LONGEST = 2_000  # characters
"""Clients and proxies refuse long headers: who asks at such length has `hasMore` and ids to go on with."""


def link_header(path: str, asked: Pairs, *, next_after: str | None, prev_before: str | None) -> str | None:
    """The header's value, None where there is nowhere to go. Given are ids; `next` is older, `prev` newer."""
    kept = [(name, value) for name, value in asked if name not in CURSORS]
    links = [
        f'<{path}?{urlencode([*kept, (cursor, customer_id)])}>; rel="{relation}"'
        for relation, cursor, customer_id in (
            ("next", "startingAfter", next_after),
            ("prev", "endingBefore", prev_before),
        )
        if customer_id is not None
    ]
    header = ", ".join(links)
    return header if 0 < len(header) <= LONGEST else None
