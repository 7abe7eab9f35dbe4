"""How the stream of customer events is set up, and what it need not keep. Pure.

In: an operator's wishes. Out: the configuration of a new stream, what is to be changed of one that is there,
and which limits it has. What nobody wished for stays as the stream has it, be it set by an operator's hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from events.wire.message import STREAM, SUBJECTS

_SECOND = 1_000_000_000  # ns
_MICROSECOND = 1_000  # ns
UNLIMITED_BYTES = -1


class StreamSettings(NamedTuple):
    """What an operator wishes: copies, seconds, bytes.

    0 is no limit. None is no wish: a new stream keeps everything, one that is there what it is set to.
    """

    replicas: int = 1
    max_age_seconds: int | None = None
    max_bytes: int | None = None

    def new_stream(self) -> dict[str, Any]:
        """The configuration of the stream of customer events, to be made."""
        return {
            "name": STREAM,
            "subjects": [SUBJECTS],
            "storage": "file",
            "retention": "limits",
            "discard": "old",
            "num_replicas": self.replicas,
            "allow_atomic": True,
            "allow_direct": True,
            "max_msgs": -1,
            "max_bytes": UNLIMITED_BYTES,
            "max_age": 0,
            # The least there is. The fence keeps duplicates out; a window would refuse what is put back.
            "duplicate_window": 100_000_000,
        } | self._limits()

    def changes(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What a stream of this configuration needs changed. Its copies and places are an operator's."""
        return {name: limit for name, limit in self._limits().items() if config.get(name) != limit}

    def _limits(self) -> dict[str, int]:
        limits: dict[str, int] = {}
        if self.max_age_seconds is not None:
            limits["max_age"] = self.max_age_seconds * _SECOND
        if self.max_bytes is not None:
            limits["max_bytes"] = self.max_bytes or UNLIMITED_BYTES
        return limits


def oldest_age(config: Mapping[str, Any]) -> int | None:
    """How old messages of a stream become, in µs; None without such a limit."""
    return config.get("max_age", 0) // _MICROSECOND or None


def discards(config: Mapping[str, Any]) -> bool:
    """Whether a stream discards messages from its beginning: by age, bytes or number."""
    numbers = ("max_age", "max_bytes", "max_msgs", "max_msgs_per_subject")
    return any(config.get(name, 0) > 0 for name in numbers)
