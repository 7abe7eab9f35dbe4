"""Between events and bytes, through the `eventsourcing` library's Mapper.

In: domain events with `Personal` values. Out: stored events whose state is UTF-8 JSON holding one sealed
blob; and back. `register_transcodings` is what a stock application of the library needs to read them too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
from eventsourcing.persistence import (
    DatetimeAsISO,
    JSONTranscoder,
    Mapper,
    MapperDeserialisationError,
    StoredEvent,
    Transcoding,
)
from eventsourcing.utils import TopicError

from events.customer import Customer, Personal
from events.errors import DataKeyMissing, EventUnreadable, StoreError
from events.sealing import DataKey

FindKey = Callable[[str, str], DataKey]
"""From merchant id and customer id to the data key; raises DataKeyMissing."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class PersonalAsSealed(Transcoding):
    """Personal values as a sealed blob beside the ids that it was sealed for."""

    type = Personal
    name = "sealed"

    def __init__(self, find_key: FindKey) -> None:
        self.find_key = find_key

    def encode(self, obj: Personal) -> dict[str, Any]:
        """Seal."""
        return {
            "merchant_id": obj.merchant_id,
            "customer_id": obj.customer_id,
            "version": obj.version,
            "blob": self.find_key(obj.merchant_id, obj.customer_id).seal(obj),
        }

    def decode(self, data: dict[str, Any]) -> Personal:
        """Open. Raises DataKeyMissing, SealBroken."""
        return self.find_key(data["merchant_id"], data["customer_id"]).open(**data)


class OrjsonTranscoder(JSONTranscoder):
    """The library's JSON, byte for byte, several times faster. Transcoded values stand at the top level."""

    def __init__(self) -> None:
        # Not the library's: its encoder and decoder are what this replaces, and dear to make.
        self.types: dict[type, Transcoding] = {}
        self.names: dict[str, Transcoding] = {}

    def encode(self, obj: Any) -> bytes:
        """As the library encodes it."""
        return orjson.dumps(obj, self._encode_obj, _LEAVE_TO_TRANSCODINGS)

    def decode(self, data: bytes) -> Any:
        """As the library decodes it."""
        state = orjson.loads(data)
        return {name: self._decode_obj(v) if type(v) is dict else v for name, v in state.items()}


_LEAVE_TO_TRANSCODINGS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def register_transcodings(transcoder: JSONTranscoder, find_key: FindKey) -> None:
    """Teach a transcoder the values that customer events hold."""
    transcoder.register(DatetimeAsISO())
    transcoder.register(PersonalAsSealed(find_key))


def make_mapper(find_key: FindKey) -> Mapper[str]:
    """A mapper for customers whose data keys `find_key` knows."""
    transcoder = OrjsonTranscoder()
    register_transcodings(transcoder, find_key)
    return Mapper(transcoder)


def mapper_with(data_key: DataKey | None) -> Mapper[str]:
    """A mapper for the one customer that this data key belongs to."""

    def find(_: str, customer_id: str) -> DataKey:
        if data_key is None:
            raise DataKeyMissing(f"the data key of {customer_id} is gone")
        return data_key

    return make_mapper(find)


def to_domain_event(mapper: Mapper[str], stored: StoredEvent, recorded_at: int) -> Customer.Event:
    """The event, with the time at which the ledger recorded it (µs): that is *the* time of an event."""
    event: Any = read_event(mapper, stored)
    event.__dict__["timestamp"] = from_microseconds(recorded_at)
    return cast("Customer.Event", event)


def read_event(mapper: Mapper[str], stored: StoredEvent) -> Any:
    """The event or snapshot as stored.

    Raises DataKeyMissing, SealBroken, which the library would hide, and EventUnreadable: of an unknown topic,
    say, which a newer release may have written.
    """
    try:
        return mapper.to_domain_event(stored)
    except MapperDeserialisationError as error:
        if isinstance(error.__cause__, StoreError):
            raise error.__cause__ from None
        raise EventUnreadable(_unreadable(stored)) from error
    except TopicError as error:
        raise EventUnreadable(_unreadable(stored)) from error


def _unreadable(stored: StoredEvent) -> str:
    return f"{stored.topic} of {stored.originator_id} version {stored.originator_version} cannot be read"


def from_microseconds(microseconds: int) -> datetime:
    """The moment so many µs after 1970-01-01 UTC, exactly."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """µs since 1970-01-01 UTC, exactly."""
    return (moment - _EPOCH) // _MICROSECOND
