"""Events as a history shows them: the JSON that the API answers and the command line prints.

In: what happened, and the names of the merchant's API keys. Out: one object an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from events.database import Database
from events.history import Happened
from events.mapper import from_microseconds
from events.wire.message import event_name, rfc3339
from service.queries import KEY_NAMES


async def history_items(database: Database, merchant_id: str, events: Sequence[Happened]) -> list[bytes]:
    """The events as JSON, in order."""
    names = await _names(database, merchant_id, events)
    return [orjson.dumps(_item(event, names)) for event in events]


async def _names(database: Database, merchant_id: str, events: Sequence[Happened]) -> dict[str, str]:
    actors = {event.metadata["actor"] for event in events if "actor" in event.metadata}
    if not actors:
        return {}
    return {row["id"]: row["name"] for row in await database.fetch(KEY_NAMES, merchant_id, list(actors))}


def _item(event: Happened, names: dict[str, str]) -> dict[str, Any]:
    metadata = event.metadata
    actor = metadata.get("actor")
    return {
        "position": event.position,
        "version": event.version,
        "type": event_name(event.topic),
        "recordedAt": rfc3339(from_microseconds(event.recorded_at)),
        "actor": None if actor is None else {"id": actor, "name": names.get(actor)},
        "requestId": metadata.get("requestId"),
        "correlationId": metadata.get("correlationId"),
        "idempotencyKeyHash": metadata.get("idempotencyKeyHash"),
        "changes": {name: {"from": one.before, "to": one.after} for name, one in event.changes.items()},
    }
