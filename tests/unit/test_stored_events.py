"""Events as this service stored them once, in `stored_events.jsonl`: whatever comes later must read them.

The file is never written anew. A new form of an event gets lines of its own beside the old ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from eventsourcing.persistence import StoredEvent

from events.customer import Customer
from events.mapper import mapper_with
from events.sealing import DataKey
from tests.support.cases import ACME, CUSTOMER, created, deleted, folded, updated

KEY = DataKey(bytes(range(32)))
STORED = Path(__file__).with_name("stored_events.jsonl")


def history() -> list[Any]:
    """What the stored events say, written by hand."""
    events = [created(ACME), updated(2, name="Jane Roe", phone=None), deleted(3)]
    return [*events, Customer.Snapshot.take(folded(events))]


def stored_events() -> list[StoredEvent]:
    rows = [orjson.loads(line) for line in STORED.read_text().splitlines()]
    return [StoredEvent(CUSTOMER, row["version"], row["topic"], row["state"].encode()) for row in rows]


@pytest.mark.parametrize("number", range(4), ids=["created", "updated", "deleted", "snapshot"])
def test_an_event_that_was_stored_once_is_still_read(number: int) -> None:
    read = mapper_with(KEY).to_domain_event(stored_events()[number])
    assert read == history()[number]


def test_a_history_that_was_stored_once_still_amounts_to_the_same_customer() -> None:
    mapper = mapper_with(KEY)
    *events, snapshot = [mapper.to_domain_event(stored) for stored in stored_events()]
    assert folded(events) == folded([snapshot]) == folded(history()[:-1])


def test_today_an_event_is_stored_in_the_same_form() -> None:
    for event, before in zip(history(), stored_events(), strict=True):
        now = mapper_with(KEY).to_stored_event(event)
        assert (now.topic, now.originator_version) == (before.topic, before.originator_version)
        assert without_blob(now.state) == without_blob(before.state)


def without_blob(state: bytes) -> Any:
    """The state in its order, without what is random in it."""
    plain = orjson.loads(state)
    plain.get("personal", {"_data_": {}})["_data_"].pop("blob", None)
    return orjson.dumps(plain)
