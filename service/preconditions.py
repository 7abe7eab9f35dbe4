"""Entity tags and the conditions on them: ETag, If-Match, If-None-Match (RFC 9110 §8.8.3, §13.1).

In: a customer's version and a header's text (several lines of it joined by commas). Out: the tag, or whether
the condition holds. A malformed header raises InvalidRequest.
"""

from __future__ import annotations

import re

from projections.stats import Stats, plain
from service.errors import InvalidRequest

# One element of the list, which RFC 9110 §5.6.1 lets be empty, and the comma or end after it.
_ELEMENT = re.compile(r'[ \t]*(?:(W/)?"([\x21\x23-\x7e\x80-\U0010ffff]*)"[ \t]*)?(,|\Z)')


def etag(version: int) -> str:
    """The strong tag of a customer at this version."""
    return f'"{version}"'


def etag_with_stats(version: int, stats: Stats) -> str:
    """The weak tag of a customer with its stats: it changes with either."""
    return f'W/"{version}-{stats.invoice_count}-{stats.charge_count}-{plain(stats.total_spent)}"'


def matches_if_match(header: str, version: int) -> bool:
    """Whether If-Match lets a change of this version pass. Strong comparison: a weak tag never matches."""
    return _matches(header, etag(version), "If-Match", weak_counts=False)


def has_weak_tags_alone(header: str) -> bool:
    """Whether If-Match can match nothing, whatever the version."""
    tags = _tags(header, "If-Match")
    return tags is not None and all(weak for weak, _ in tags)


def matches_if_none_match(header: str, tag: str) -> bool:
    """Whether If-None-Match names this tag, so that the answer is 304. Weak comparison."""
    return _matches(header, tag, "If-None-Match", weak_counts=True)


def _matches(header: str, current_tag: str, name: str, *, weak_counts: bool) -> bool:
    tags = _tags(header, name)
    if tags is None:
        return True
    current = current_tag.removeprefix("W/").strip('"')
    return any(tag == current and (weak_counts or not weak) for weak, tag in tags)


def _tags(header: str, name: str) -> list[tuple[bool, str]] | None:
    """The header's tags, each with whether it is weak; None for `*`, which any version matches."""
    if header.strip(" \t") == "*":
        return None
    tags: list[tuple[bool, str]] = []
    position = 0
    while element := _ELEMENT.match(header, position):
        if element[2] is not None:
            tags.append((element[1] is not None, element[2]))
        position = element.end()
        if not element[3]:
            break
    if element is None or not tags:
        raise InvalidRequest(f'{name} must be * or a list of entity tags such as "3"', param=name)
    return tags
