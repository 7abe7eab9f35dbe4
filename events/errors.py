"""What can go wrong below HTTP. Each `str(error)` is one plain line without secrets.

StoreError
├── StoreUnavailable    PostgreSQL cannot be reached, or did not answer in time
│   └── SchemaMissing   … or lacks our schema, or rights to it: for the operator to mend
├── StoreBusy           our own queues are full, or a merchant's ledger is locked too long
├── StatementFailed     PostgreSQL refused a statement: a mistake of ours, or bad data
│   └── DataRefused     … because of the values it was given
├── MasterKeyMismatch   the master key given is not the one this data was written under
├── DataKeyMissing      a customer's data key is gone: nothing sealed can be read
├── EventUnreadable     a stored event is not one that this release knows
├── SealBroken          sealed bytes do not open: altered, or of another customer or version
├── LedgerBroken        a ledger is not what its chain or a checkpoint says it is
├── LedgerUnknown       nothing is known of such a merchant
└── CheckpointUnreadable  what should be a checkpoint, or a public key, is none
BrokerError
├── BrokerUnavailable   NATS cannot be reached, or did not answer in time
└── BrokerRefused       JetStream refused what was asked; `code` is its own
    └── BatchRefused    … of a batch not all was taken
MigrationError          the schema could not be brought up to date
CustomerDeleted         a change was asked of a customer that is deleted
"""

from __future__ import annotations


class StoreError(Exception):
    """The event store could not do what was asked."""


class StoreUnavailable(StoreError):
    """PostgreSQL cannot be reached, or did not answer in time. The outcome of a write is unknown."""


class SchemaMissing(StoreUnavailable):
    """The database lacks our schema, has an older one, or does not let us use it."""


class StoreBusy(StoreError):
    """Refused before anything was written: queues full, or the merchant's ledger locked too long."""


class StatementFailed(StoreError):
    """PostgreSQL refused a statement: a mistake of ours, or bad data. Nothing was written."""


class DataRefused(StatementFailed):
    """PostgreSQL refused a statement because of the values it was given. Nothing was written."""


class MasterKeyMismatch(StoreError):
    """The master key given is not the one this data was written under."""


class DataKeyMissing(StoreError):
    """A customer's data key is gone, so its events cannot be opened."""


class EventUnreadable(StoreError):
    """A stored event is not one that this release knows, or its state is damaged."""


class SealBroken(StoreError):
    """Sealed bytes do not open: altered, or of another customer, merchant or version."""


class LedgerBroken(StoreError):
    """A ledger is not what its chain or a checkpoint says it is; the text says where and how."""


class LedgerUnknown(StoreError):
    """Nothing is known of such a merchant: no row, no event, no checkpoint."""


class CheckpointUnreadable(StoreError):
    """What should be a checkpoint, or a public key, is none; the text says why."""


UNREADABLE = (DataKeyMissing, SealBroken, EventUnreadable, MasterKeyMismatch)
"""What is wrong with one customer alone, once the master keys were proved (`events/key_checks.py`)."""


class BrokerError(Exception):
    """NATS could not do what was asked."""


class BrokerUnavailable(BrokerError):
    """NATS cannot be reached, or did not answer in time. The outcome of a publication is unknown."""


class BrokerRefused(BrokerError):
    """JetStream refused what was asked; `code` is its own (404: there is no such thing)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class BatchRefused(BrokerRefused):
    """JetStream did not take all of a batch: the stream ends elsewhere, or a message is bad."""


class MigrationError(Exception):
    """The schema could not be brought up to date."""


class CustomerDeleted(Exception):
    """A change was asked of a customer that is deleted."""
