"""Anchors: the signed checkpoints that a ledger is held against.

In: checkpoints kept elsewhere, and those that the database stores. Out: which of them may be believed, and
what is wrong where one says something else than the ledger. Stored ones show what was changed by somebody who
left them alone or has no key; only kept ones show what was changed by somebody who replaced those, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from events.database import Database
from events.proof.checkpoint import Checkpoint, Statement
from events.proof.ledger_reading import Ends
from events.proof.verification import Finding, Place
from events.queries import STORED_CHECKPOINTS
from events.signing import write_public_key


class Anchor(NamedTuple):
    """A checkpoint, and whether it was kept elsewhere or is stored beside the ledger."""

    checkpoint: Checkpoint
    kind: str

    @property
    def said(self) -> Statement:
        """What it states."""
        return self.checkpoint.statement


def kept_anchors(checkpoints: Iterable[Checkpoint]) -> list[Anchor]:
    """Those that somebody kept."""
    return [Anchor(checkpoint, "kept") for checkpoint in checkpoints]


async def stored_anchors(database: Database, merchant_id: str) -> list[Anchor]:
    """All that the database has of a merchant, of every epoch."""
    return [
        Anchor(Checkpoint(Statement(merchant_id, *row[:5]), row["public_key"], row["signature"]), "stored")
        for row in await database.fetch(STORED_CHECKPOINTS, merchant_id)
    ]


def disbelieved(anchor: Anchor, keys: Collection[bytes]) -> Finding | None:
    """Why this one is not to be believed by who trusts these keys, None if it is."""
    said, public_key = anchor.said, anchor.checkpoint.public_key
    if public_key not in keys:
        text = f"the {anchor.kind} checkpoint is signed by {write_public_key(public_key)}, no key of ours"
        return Finding(said.merchant_id, said.position, None, "foreign key", text)
    if not anchor.checkpoint.is_genuine():
        text = f"the {anchor.kind} checkpoint's signature does not fit what it says"
        return Finding(said.merchant_id, said.position, None, "bad signature", text)
    return None


def is_within(anchor: Anchor, ends: Ends) -> bool:
    """Whether the ledger reaches it; what is told of others: `beyond`.

    Its epoch does not matter: of a history that was lost, what came before the loss is still in the ledger.
    """
    return ends.head is not None and 0 < anchor.said.position <= ends.head.position


def contradiction(anchor: Anchor, place: Place, root: bytes, agreed: int, epoch: int) -> Finding | None:
    """What is wrong unless the ledger is what the checkpoint says; `agreed` is where one last did.

    `epoch` is the ledger's.
    """
    said = anchor.said
    if (said.recorded_at, said.hash, said.merkle_root) == (place.recorded_at, place.hash, root):
        return None
    text = (
        f"the chain holds, but the {anchor.kind} checkpoint has another "
        f"{_difference(said, place)} at position {place.position}: events were replaced between positions "
        f"{agreed + 1} and {place.position}{_since(said, epoch)}"
    )
    return Finding(said.merchant_id, place.position, None, "rewritten", text)


def beyond(anchors: Sequence[Anchor], ends: Ends) -> Finding | None:
    """Checkpoints that the ledger, whole as it looks, does not reach; and those of a later history."""
    head_position = ends.head.position if ends.head else 0
    for anchor in anchors:
        said, which = anchor.said, f"the {anchor.kind} checkpoint"
        if said.epoch > ends.epoch:
            text = (
                f"{which} is of epoch {said.epoch}, the ledger of epoch {ends.epoch}: it was restored to an "
                f"earlier state (`customers merchants new-epoch {said.merchant_id} --epoch {said.epoch + 1}`)"
            )
            return Finding(said.merchant_id, said.position, None, "epoch", text)
        if said.position > head_position:
            text = (
                f"the ledger ends at position {head_position}, and {which} is at {said.position}"
                f"{_since(said, ends.epoch)}"
            )
            return Finding(said.merchant_id, head_position + 1, None, "cut", text)
        if said.position < 1:
            text = f"{which} is at position {said.position}, where no event can be"
            return Finding(said.merchant_id, 0, None, "rewritten", text)
    return None


def _since(said: Statement, epoch: int) -> str:
    """What an operator told of a loss, where one was told since the checkpoint was signed."""
    if said.epoch >= epoch:
        return ""
    return f"; it is of epoch {said.epoch}: the ledger has lost history since, and is in epoch {epoch}"


def _difference(said: Statement, place: Place) -> str:
    if said.hash != place.hash:
        return "hash"
    return "Merkle root" if said.recorded_at == place.recorded_at else "time"
