"""What is asked of the event store, and what it answers. Both travel to PostgreSQL as they are.

A command asks for one event, or (topic None) only for its idempotency key to be remembered. The columns
are those of the SQL types `events.command` and `events.outcome`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Append(NamedTuple):
    """One command. `version`: the new event's, or without an event the one it was decided on."""

    merchant_id: str
    customer_id: str
    version: int
    topic: str | None = None
    state: bytes | None = None
    metadata: bytes | None = None
    email_claim: str | None = None
    """Folded key of an email to take; one's own is fine."""
    email_release: str | None = None
    """Folded key of an email to let go."""
    wrapped_key: bytes | None = None
    """The new customer's data key, wrapped by `master_version`."""
    master_version: int | None = None
    idempotency_key: bytes | None = None
    fingerprint: bytes | None = None
    """A digest of the request the key stands for."""
    status: int | None = None
    """The HTTP status that a replay of the key answers with."""


Kind = Literal[
    "appended",
    "already",
    "replayed",
    "fingerprint_mismatch",
    "version_conflict",
    "email_taken",
    "unknown_merchant",
]


class Outcome(NamedTuple):
    """What became of one command.

    appended, already: written now, or found written by this very command; `position` and `recorded_at` (µs)
    are the event's (None for a command without one), `customer_id`, `version`, `status` the command's.
    replayed: the key was answered before, with this customer, version and status.
    fingerprint_mismatch: the key stands for another request.
    version_conflict: `version` is the actual one. email_taken: `customer_id` holds it.
    unknown_merchant: there is no such ledger.
    """

    kind: Kind
    position: int | None
    recorded_at: int | None
    customer_id: str | None
    version: int | None
    status: int | None
