"""What may be asked of the event feed: where it goes on, which events, how many, and how long to wait.

In: the query, and `Last-Event-ID`. Out: `EventParameters`, and the position to go on from.
"""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema

from events.customer import Customer
from events.wire.message import event_name
from service.audit.past import MOST
from service.call import Call
from service.errors import InvalidCursor, InvalidRequest
from service.parameters import DEFAULT_LIMIT, Parameters, must, whole_number, within

MOST_EVENTS = 1_000
"""On a page; more than of other lists, since whoever catches up wants all that there is."""
LONGEST_WAIT = 30
"""Seconds."""
LAST_EVENT_ID = "Last-Event-ID"

TOPICS = {
    event_name(event.TOPIC): event.TOPIC
    for event in (Customer.Created, Customer.Updated, Customer.Deleted, Customer.Erased)
}
"""By the names that events have outside."""

_ONE = "|".join(name.replace(".", r"\.") for name in TOPICS)
_POSITION = re.compile(r"[0-9]{1,16}")


def _read_types(text: str) -> tuple[str, ...]:
    names = dict.fromkeys(text.split(","))
    if not names.keys() <= TOPICS.keys():
        raise must(f"be names of events with commas between them, of {', '.join(TOPICS)}")
    return tuple(TOPICS[name] for name in sorted(names))


class EventParameters(Parameters):
    """The parameters of the event feed."""

    after: Annotated[int, BeforeValidator(whole_number(0, MOST)), within(0, MOST)] = Field(
        0, description="The position to go on from: `nextAfter` of the page before. 0 is the beginning."
    )
    limit: Annotated[int, BeforeValidator(whole_number(1, MOST_EVENTS)), within(1, MOST_EVENTS)] = Field(
        DEFAULT_LIMIT,
        description=f"Events on a page, at most {MOST_EVENTS}; fewer if they are large. Not in a stream.",
    )
    types: (
        Annotated[
            tuple[str, ...],
            BeforeValidator(_read_types),
            WithJsonSchema({"type": "string", "pattern": f"^(?:{_ONE})(?:,(?:{_ONE}))*$"}),
        ]
        | None
    ) = Field(
        None,
        description=f"Only these events: names with commas between them, of {', '.join(TOPICS)}.",
    )
    wait: Annotated[int, BeforeValidator(whole_number(0, LONGEST_WAIT)), within(0, LONGEST_WAIT)] = Field(
        0,
        description="How many seconds to wait for an event if there is none yet. Not in a stream.",
    )


class Place(NamedTuple):
    """A position to go on from, and what gave it."""

    after: int
    given_by: str

    def refuse_beyond(self, head: int) -> None:
        """Raises InvalidCursor: the history ends before it."""
        if self.after > head:
            raise InvalidCursor(self.given_by, beyond=head)


def place_of(call: Call, asked: EventParameters, *, in_stream: bool) -> Place:
    """Where to go on: `after`, or `Last-Event-ID`, by which a stream's client says how far it has come.

    A client that is connected again repeats the `after` with which it began: what it says by `Last-Event-ID`
    is further on, and goes before it. Other contradictions are refused. Raises InvalidRequest.
    """
    text = call.one_header(LAST_EVENT_ID)
    if text is None:
        return Place(asked.after, "after")
    if not _POSITION.fullmatch(text) or int(text) > MOST:
        raise InvalidRequest(
            f"{LAST_EVENT_ID} must be the id of an event of the stream: an integer from 0 to {MOST}",
            param=LAST_EVENT_ID,
        )
    last = int(text)
    if "after" in asked.model_fields_set and last != asked.after and not (in_stream and last > asked.after):
        raise InvalidRequest(f"after and {LAST_EVENT_ID} contradict each other: give one", param="after")
    return Place(last, LAST_EVENT_ID)


def refuse_in_stream(asked: EventParameters) -> None:
    """Raises InvalidRequest: a stream, which has no pages and always waits, is asked for one."""
    for name in ("limit", "wait"):
        if name in asked.model_fields_set:
            raise InvalidRequest(
                f"{name} has no meaning in a stream (text/event-stream), which goes on: leave it out",
                param=name,
            )
