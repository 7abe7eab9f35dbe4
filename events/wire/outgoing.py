"""From stored events to messages: each event with its customer before and after it.

In: rows of the outbox or of a ledger, in order. Out: a `Message` for each, but for rows of erased customers:
of them nothing leaves but that they were erased, and where a place has to be kept, the ids. Customers are
folded here, and kept in a bounded cache, since the next event of a customer mostly follows soon.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from operator import itemgetter

import structlog

from events.customer import Customer, Values
from events.customer_key import CustomerKey, key_of
from events.database import Row
from events.errors import UNREADABLE, EventUnreadable
from events.folding import Stored, advance
from events.loading import Loader, Wanted, is_erased, open_data_key
from events.mapper import to_microseconds
from events.master_keys import MasterKeys
from events.reader import Reader
from events.wire.message import Message, Recorded, customer_message, unreadable_message

CUSTOMERS_KEPT = 5_000
TURN = 50
"""Messages made before others of the process get their turn."""
LOADED_A_TURN = 16
HEADER_BYTES = 2048
"""More than a message's headers have."""

log = structlog.get_logger(__name__)

_SECOND = 1_000_000  # µs

ERASURE_TOPIC = Customer.Erased.TOPIC

_RECORDED = itemgetter(*Recorded._fields)
"""Of a row of the outbox or of the feed, by name: in which order either has its columns does not matter."""


def tells_of_erased(row: Row) -> bool:
    """Whether it is of an erased customer, and not that it was erased."""
    return row["topic"] != ERASURE_TOPIC and is_erased(row)


class Outgoing:
    """Makes messages. One user at a time."""

    def __init__(self, session: Reader, master_keys: MasterKeys, largest: int) -> None:
        """`largest`: bytes a message may have, with its headers; what is larger leaves with its ids only."""
        self._largest = largest - HEADER_BYTES
        self._loader = Loader(session, master_keys)
        self._master_keys = master_keys
        self._kept: OrderedDict[CustomerKey, Customer] = OrderedDict()

    async def messages(self, rows: Sequence[Row]) -> list[Message]:
        """The messages of those rows that leave one, in order. Raises StoreUnavailable, MasterKeyMismatch."""
        return await self.all_messages([row for row in rows if not tells_of_erased(row)])

    async def all_messages(self, rows: Sequence[Row]) -> list[Message]:
        """A message for each row, in order; what an erased customer did before has its ids alone.

        Raises StoreUnavailable, MasterKeyMismatch.
        """
        await self._load_what_is_missing([row for row in rows if not tells_of_erased(row)])
        made: list[Message] = []
        for number, row in enumerate(rows):
            if number % TURN == 0:
                await asyncio.sleep(0)  # others of this process want a turn, too
            made.append(self._message(row))
        while len(self._kept) > CUSTOMERS_KEPT:
            self._kept.popitem(last=False)
        return made

    async def _load_what_is_missing(self, rows: Sequence[Row]) -> None:
        """Have every customer at hand as it was before its first event among these."""
        first: dict[CustomerKey, int] = {}
        for row in rows:
            if row["topic"] != ERASURE_TOPIC:
                first.setdefault(key_of(row), row["version"])
        wanted = [
            Wanted(*key, last_version=version - 1)
            for key, version in first.items()
            if version > 1 and not self._has(key, version - 1)
        ]
        for first_of_turn in range(0, len(wanted), LOADED_A_TURN):
            turn = wanted[first_of_turn : first_of_turn + LOADED_A_TURN]
            for one, loaded in zip(turn, await self._loader.load(turn), strict=True):
                if not isinstance(loaded, Exception) and loaded.customer is not None:
                    self._kept[CustomerKey(one.merchant_id, one.customer_id)] = loaded.customer

    def _has(self, key: CustomerKey, version: int) -> bool:
        kept = self._kept.get(key)
        return kept is not None and kept.version == version

    def _message(self, row: Row) -> Message:
        event = Recorded(*_RECORDED(row))
        key = key_of(row)
        if event.topic == ERASURE_TOPIC:
            self._kept.pop(key, None)
            return customer_message(event, 0, None, None)
        if is_erased(row):
            self._kept.pop(key, None)
            return unreadable_message(event)
        try:
            before = self._kept.pop(key) if self._has(key, event.version - 1) else None
            values: Values | None = before.values if before is not None else None
            customer = self._after(row, before)
        except UNREADABLE as error:
            if row["wrapped_key"] and row["master_version"] not in self._master_keys.versions:
                raise  # not this event is at fault, but we
            reason = str(error)
            log.critical(
                "event_unreadable", merchant_id=event.merchant_id, position=event.position, reason=reason
            )
            return unreadable_message(event)
        self._kept[key] = customer
        created = to_microseconds(customer.created_on) // _SECOND
        message = customer_message(event, created, values, None if customer.deleted else customer.values)
        if len(message.body) > self._largest:
            log.critical("message_too_large", merchant_id=event.merchant_id, position=event.position)
            return unreadable_message(event)
        return message

    def _after(self, row: Row, before: Customer | None) -> Customer:
        """The customer after the row's event. Raises StoreError: it, or what went before, cannot be read."""
        if before is None and row["version"] > 1:
            raise EventUnreadable("what went before it could not be read")
        data_key = open_data_key(self._master_keys, row["merchant_id"], row["customer_id"], row)
        stored = Stored(row["customer_id"], row["version"], row["topic"], row["state"], row["recorded_at"])
        customer = advance(before, stored, data_key)
        if customer is None:
            raise EventUnreadable("it leaves no customer")
        return customer
