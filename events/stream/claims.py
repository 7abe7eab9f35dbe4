"""What messages of the stream claim to be, and which of them the ledger has.

In: messages of the stream. Out: merchant, position, hash and epoch that each claims, and those that the
ledger has under that hash. PostgreSQL alone is the truth: a claim is compared, and never believed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from events.database import Connection
from events.queries import LEDGER_HAS
from events.stream.answers import StreamMessage
from events.wire.message import SUBJECTS

PREFIX = SUBJECTS.removesuffix(">")

Place: TypeAlias = tuple[str, int, bytes]
"""A merchant, a position in its ledger, and the hash there."""


class Claim(NamedTuple):
    """Of which event a message claims to tell; position 0 where it claims nothing sensible."""

    merchant_id: str
    position: int
    hash: bytes
    epoch: int

    @property
    def place(self) -> Place:
        """Where the event would stand."""
        return self[:3]


class Known(NamedTuple):
    """An event of the ledger that a message tells of; `recorded_at` in µs."""

    notification_id: int
    recorded_at: int


def claim_of(message: StreamMessage) -> Claim:
    """A message of ours has all of these, and an id that is made of them."""
    merchant_id, _, customer_id = message.subject.removeprefix(PREFIX).partition(".")
    headers = message.headers
    sequence, hash_ = headers.get("ce-sequence", ""), headers.get("ce-hash", "")
    identity, epoch = headers.get("ce-id", ""), headers.get("ce-epoch", "")
    if not (_POSITION.fullmatch(sequence) and _HASH.fullmatch(hash_) and _EPOCH.fullmatch(epoch)):
        return Claim(merchant_id, 0, b"", 0)
    if not (identity.startswith(f"{customer_id}-") and identity.endswith(f"-{hash_[:16]}")):
        return Claim(merchant_id, 0, b"", 0)
    return Claim(merchant_id, int(sequence), bytes.fromhex(hash_), int(epoch))


async def known(session: Connection, messages: Sequence[StreamMessage]) -> dict[Place, Known]:
    """Of these, those that the ledger has, by their places."""
    claims = [claim_of(message).place for message in messages]
    columns = [list(column) for column in zip(*claims, strict=True)] or [[], [], []]
    rows = await session.fetch(LEDGER_HAS, *columns)
    return {
        (row["merchant_id"], row["position"], row["hash"]): Known(row["notification_id"], row["recorded_at"])
        for row in rows
    }


_POSITION = re.compile(r"00[0-9]{18}")  # what fits a bigint
_HASH = re.compile(r"[0-9a-f]{64}")
_EPOCH = re.compile(r"[1-9][0-9]{0,17}")
