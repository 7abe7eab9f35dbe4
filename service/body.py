"""A request's body as the route table asks for it, and the media types there are."""

from __future__ import annotations

from typing import Any, NamedTuple

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
MERGE_PATCH = "application/merge-patch+json"
KIB = 1024  # bytes
MIB = 1024 * KIB


class Body(NamedTuple):
    """A request's body: the model of its JSON, the media types it may come as, and its limit in bytes."""

    model: Any
    media_types: tuple[str, ...] = (JSON,)
    limit: int = 64 * KIB
