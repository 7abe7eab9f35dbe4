"""The Customer aggregate: what may happen to a customer, as events.

In: commands with their values, the time and the identifier. Out: events, and the state folded from them.
Pure: no clock, no randomness, no I/O. Built on the `eventsourcing` library's aggregate, with explicit
topics, so that stored events survive any renaming here.

`Values` are the eight personal members in the order of the contract, unset ones None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from eventsourcing.domain import (
    BaseAggregate,
    CanInitAggregate,
    CanMutateAggregate,
    CanSnapshotAggregate,
    MetaDomainEvent,
)
from eventsourcing.utils import register_topic

from events.errors import CustomerDeleted

Values = dict[str, Any]

MEMBERS = ("email", "name", "phone", "address", "companyName", "taxId", "description", "metadata")


@dataclass(frozen=True, slots=True)
class Personal:
    """Values that belong to a person. Whoever stores them seals them for this customer and version."""

    merchant_id: str
    customer_id: str
    version: int
    values: Values = field(repr=False)
    erased: bool = False
    """Whether there were values once that nobody can open any more."""


class Customer(BaseAggregate[str]):
    """A buyer or client of a merchant. Its version is the number of its events."""

    TOPIC = "Customer"

    class Event(CanMutateAggregate[str], metaclass=MetaDomainEvent):
        """Something that happened to a customer."""

        originator_id: str
        originator_version: int
        timestamp: datetime
        merchant_id: str

    class Created(Event, CanInitAggregate[str]):
        """A customer came to be. `members` names those that are set; `personal` holds their values."""

        TOPIC = "CustomerCreated"
        originator_topic: str
        members: list[str]
        personal: Personal

    class Updated(Event):
        """Members changed. `members` names them; `personal` holds their new values, None when cleared."""

        TOPIC = "CustomerUpdated"
        members: list[str]
        personal: Personal

        def apply(self, aggregate: Customer) -> None:
            """Take over the new values."""
            aggregate.values = aggregate.values | self.personal.values
            if self.personal.erased:
                aggregate.forget()

    class Deleted(Event):
        """The customer is no more; its email is free."""

        TOPIC = "CustomerDeleted"

        def apply(self, aggregate: Customer) -> None:
            """Leave a tombstone."""
            aggregate.deleted = True

    class Erased(Event):
        """The customer's data key was destroyed, in the transaction that recorded this."""

        TOPIC = "CustomerErased"

        def apply(self, aggregate: Customer) -> None:
            """Leave a tombstone without values."""
            aggregate.forget()
            aggregate.erased_in = self.originator_version

    class Snapshot(CanSnapshotAggregate[str], metaclass=MetaDomainEvent):
        """The state at a version, so that a long history need not be folded from its beginning."""

        TOPIC = "CustomerSnapshot"
        originator_id: str
        originator_version: int
        timestamp: datetime
        created_on: datetime
        merchant_id: str
        deleted: bool
        personal: Personal

        @classmethod
        def take(cls, aggregate: Any) -> Self:
            """The snapshot of this customer as it is now."""
            state = {
                "originator_id": aggregate.id,
                "originator_version": aggregate.version,
                "timestamp": aggregate.modified_on,
                "created_on": aggregate.created_on,
                "merchant_id": aggregate.merchant_id,
                "deleted": aggregate.deleted,
                "personal": Personal(
                    aggregate.merchant_id, aggregate.id, aggregate.version, aggregate.values
                ),
            }
            return cls(**state)

        def mutate(self, _: None) -> Customer:
            """The customer as it was."""
            customer = Customer.restore(
                self.originator_id,
                self.originator_version,
                self.merchant_id,
                self.personal.values,
                created_on=self.created_on,
                modified_on=self.timestamp,
                deleted=self.deleted,
            )
            if self.personal.erased:
                customer.forget()
            return customer

    def __init__(self, merchant_id: str, personal: Personal) -> None:
        self.merchant_id = merchant_id
        self.values: Values = dict.fromkeys(MEMBERS) | personal.values
        self.deleted = False
        self.erased = False
        """Whether the person is forgotten. Then it is so as of every version: there are no values to show."""
        self.erased_in: int | None = None
        """The version that erased; None while a history is folded to an earlier one, or nobody was erased."""
        if personal.erased:
            self.forget()

    def __repr__(self) -> str:
        return f"Customer(id={self.id!r}, version={self.version}, deleted={self.deleted})"

    @classmethod
    def create(cls, customer_id: str, merchant_id: str, values: Values, timestamp: datetime) -> Self:
        """A new customer with these values."""
        given = {member: value for member, value in values.items() if value is not None}
        return cls._create(
            cls.Created,
            id=customer_id,
            timestamp=timestamp,
            merchant_id=merchant_id,
            members=list(given),
            personal=Personal(merchant_id, customer_id, cls.INITIAL_VERSION, given),
        )

    @classmethod
    def restore(
        cls,
        customer_id: str,
        version: int,
        merchant_id: str,
        values: Values,
        *,
        created_on: datetime,
        modified_on: datetime,
        deleted: bool,
    ) -> Customer:
        """A customer as somebody kept it (a snapshot, a read model's row), ready for later events."""
        customer = cls.__new__(cls)
        customer.__base_init__(customer_id, version, created_on)
        customer.modified_on = modified_on
        customer.merchant_id = merchant_id
        customer.values = values
        customer.deleted = deleted
        customer.erased = False
        customer.erased_in = None
        return customer

    def recorded(self, moment: datetime) -> None:
        """Take over the ledger's time of the last event: that is *the* time, ours was a guess."""
        self.modified_on = moment
        if self.version == self.INITIAL_VERSION:
            self._created_on = moment

    def update(self, values: Values, timestamp: datetime) -> None:
        """Change to these values; nothing happens when they are the same. Raises CustomerDeleted."""
        if self.deleted:
            raise CustomerDeleted(self.id)
        changed = {member: values[member] for member in MEMBERS if values[member] != self.values[member]}
        if changed:
            self.trigger_event(
                self.Updated,
                timestamp=timestamp,
                merchant_id=self.merchant_id,
                members=list(changed),
                personal=Personal(self.merchant_id, self.id, self.version + 1, changed),
            )

    def delete(self, timestamp: datetime) -> None:
        """Delete; nothing happens when it is deleted already."""
        if not self.deleted:
            self.trigger_event(self.Deleted, timestamp=timestamp, merchant_id=self.merchant_id)

    def erase(self, timestamp: datetime) -> None:
        """Record that the person is to be forgotten; nothing happens when that is done already."""
        if not self.erased:
            self.trigger_event(self.Erased, timestamp=timestamp, merchant_id=self.merchant_id)

    def forget(self) -> None:
        """Become a tombstone without values, whatever was before."""
        self.values = dict.fromkeys(MEMBERS)
        self.deleted = self.erased = True


# The library registers the topics of events that change an aggregate; a snapshot is none of those.
register_topic(Customer.Snapshot.TOPIC, Customer.Snapshot)
