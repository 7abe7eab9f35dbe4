"""What JetStream's API answers: a stream's state, a message, a refusal. Pure.

In: answers as parsed JSON. Out: the same under our names, and the errors that they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from events.errors import BrokerRefused, BrokerUnavailable

NOT_FOUND = 404
_WRONG_LAST_SEQUENCE = 10071
DUPLICATE_IN_BATCH = 10201
_SETTINGS_REFUSED = frozenset({10047, 10052, 10069})
"""There is no room for them, they contradict each other, they cannot be changed."""
_FOR_GOOD = _SETTINGS_REFUSED | {_WRONG_LAST_SEQUENCE, DUPLICATE_IN_BATCH}


class StreamState(NamedTuple):
    """Which stream it is (`created` differs once it was deleted and made again), what it has, its settings.

    `last_sequence` outlives the message, whatever removed it; below `first_sequence` there is none any more.
    """

    created: str
    first_sequence: int
    last_sequence: int
    config: Mapping[str, Any]


class StreamMessage(NamedTuple):
    """A message as a stream has it."""

    sequence: int
    subject: str
    headers: Mapping[str, str]


def state_of(info: Mapping[str, Any]) -> StreamState:
    """A stream's state from what the API says of it."""
    state = info["state"]
    return StreamState(info["created"], state["first_seq"], state["last_seq"], info["config"])


def checked(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, unless it is an error. Raises BrokerRefused, or BrokerUnavailable for what passes."""
    error = answer.get("error")
    if error is None:
        return answer
    text = f"{error.get('description', 'refused')} ({error.get('err_code', 0)})"
    if error["code"] >= 500 and error.get("err_code") not in _FOR_GOOD:
        raise BrokerUnavailable(text)
    raise BrokerRefused(text, error["code"] if error["code"] == NOT_FOUND else error.get("err_code", 0))
