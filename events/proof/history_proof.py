"""History proofs: one customer's events, each proved to be in its merchant's ledger.

In: a customer, and a checkpoint with its tree. Out: a JSON object that `deploy/audit/verify_history.py`
verifies alone; of other customers it holds nothing but hashes. It is checked here before it is handed out.
The format: PROOF.md.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from events.database import Database, Row
from events.errors import LedgerBroken
from events.loading import open_data_key
from events.master_keys import MasterKeys
from events.proof.checkpoint import Checkpoint
from events.proof.checkpointing import Signed, last_checkpoint, sign_ledger, signed_at
from events.proof.key_audit import wrong_key
from events.proof.ledger_reading import read_ends
from events.proof.merkle import (
    STORED_LEVEL,
    inclusion_proof,
    nodes_over,
    root_from_proof,
    subtree_around,
)
from events.proof.verification import LedgerRow, leaf_of
from events.queries import HISTORY, LAST_AND_KEY, LEDGER_RANGE, MERCHANTS_OF, MERKLE_NODES

FORMAT = "customers-history-v1"
BLOCK = 1 << STORED_LEVEL
"""Leaves under the lowest node that is kept: so many are hashed again for a proof."""


async def merchants_of(database: Database, customer_id: str) -> list[str]:
    """The merchants that have a customer of this id: one, or none."""
    return [row["merchant_id"] for row in await database.fetch(MERCHANTS_OF, customer_id)]


class Proof(NamedTuple):
    """The file's members, and whether its checkpoint was signed for it just now."""

    members: dict[str, Any]
    newly_signed: bool


async def prove_history(
    database: Database,
    merchant_id: str,
    customer_id: str,
    master_keys: MasterKeys,
    kept: Sequence[Checkpoint] | None = None,
) -> Proof | None:
    """The proof of all of a customer's events; None when it has none.

    Given kept checkpoints, it is proved against the last of them that the customer's last event is under.
    Raises LedgerBroken, which includes that none of those fits.
    """
    found = await database.fetch(LAST_AND_KEY, merchant_id, customer_id)
    if not found:
        return None
    last = found[0]
    destroyed = last["wrapped_key"] is None if last["has_row"] else None
    if destroyed is not last["erased"]:
        raise LedgerBroken(wrong_key(customer_id, erased=last["erased"], destroyed=destroyed))
    if kept is None:
        signed, new = await _signed_up_to(database, merchant_id, last["position"], master_keys)
    else:
        signed, new = await _kept(database, merchant_id, last["position"], kept, master_keys), False
    rows = await database.fetch(HISTORY, customer_id, merchant_id, last["version"])
    events = [await _proved(database, signed, row) for row in rows]
    data_key = None if destroyed else open_data_key(master_keys, merchant_id, customer_id, last)
    members = {
        "format": FORMAT,
        "merchantId": merchant_id,
        "customerId": customer_id,
        "checkpoint": signed.checkpoint.members(),
        "dataKey": b64encode(data_key.raw).decode() if data_key else None,
        "events": events,
    }
    return Proof(members, new)


async def _signed_up_to(
    database: Database, merchant_id: str, position: int, master_keys: MasterKeys
) -> tuple[Signed, bool]:
    """The last checkpoint if it reaches this position, else one that is made now; and whether it was."""
    ends = await read_ends(database, merchant_id)
    last = await last_checkpoint(database, merchant_id, ends.epoch, master_keys)
    if last is not None and last.checkpoint.statement.position >= position:
        return last, False
    signed = await sign_ledger(database, merchant_id, master_keys)
    if signed is None or signed.checkpoint.statement.position < position:
        raise LedgerBroken(f"{merchant_id} position {position}: there is an event beyond the ledger's head")
    return signed, True


async def _kept(
    database: Database,
    merchant_id: str,
    position: int,
    kept: Sequence[Checkpoint],
    master_keys: MasterKeys,
) -> Signed:
    """The last of the kept checkpoints, as it is stored. Raises LedgerBroken: it is too old, or another.

    One of a later epoch goes before one that lies further on: what that one is of may be lost.
    """
    said = max(
        (
            one.statement
            for one in kept
            if one.statement.merchant_id == merchant_id and one.statement.position >= position
        ),
        key=attrgetter("epoch", "position"),
        default=None,
    )
    if said is None:
        raise LedgerBroken(
            f"no kept checkpoint of {merchant_id} reaches position {position}, the customer's last event: "
            "keep a newer one (`customers checkpoint --to FILE`)"
        )
    signed = await signed_at(database, merchant_id, said.epoch, said.position, master_keys)
    if signed is None or signed.checkpoint.statement != said:
        raise LedgerBroken(
            f"the checkpoint of {merchant_id} that was kept at position {said.position} is not one that is "
            "stored: events or checkpoints were replaced (`customers verify --checkpoint` tells what)"
        )
    return signed


async def _proved(database: Database, signed: Signed, row: Row) -> dict[str, Any]:
    """One event with its inclusion proof. Raises LedgerBroken: the proof does not lead to the signed root."""
    said = signed.checkpoint.statement
    number, size = row["position"] - 1, said.position
    proof = await _proof_of(database, signed, number) if 0 <= number < size else []
    if root_from_proof(leaf_of(row), number, size, proof) != said.merkle_root:
        raise LedgerBroken(
            f"{said.merchant_id} position {row['position']} (customer {row['originator_id']}): "
            "no proof leads from it to the root that was signed, so something there was changed "
            "(`customers verify` tells what)"
        )
    return event_members(row, proof)


async def _proof_of(database: Database, signed: Signed, number: int) -> list[bytes]:
    """A leaf's proof: from leaves around it, hashed again, nodes that were kept, and the frontier."""
    said, tree = signed.checkpoint.statement, signed.tree
    _, first, height = subtree_around(number, tree.size)
    block = max(first, number - number % BLOCK)
    leaves = min(BLOCK, 1 << height)
    rows = await database.fetch(LEDGER_RANGE, said.merchant_id, block, block + leaves)
    known = nodes_over([leaf_of(row) for row in rows], block)
    levels = list(range(STORED_LEVEL, height))
    numbers = [number >> level ^ 1 for level in levels]
    kept = await database.fetch(MERKLE_NODES, said.merchant_id, said.epoch, levels, numbers)
    known.update({(row["level"], row["index"]): row["hash"] for row in kept})
    # What is missing proves nothing, and is noticed as such: the proof is checked.
    return inclusion_proof(
        number, tree.frontier, tree.size, lambda level, index: known.get((level, index), b"")
    )


def event_members(row: LedgerRow, proof: Sequence[bytes]) -> dict[str, Any]:
    """An event as the proof has it."""
    position, recorded_at, _, version, topic, metadata, state, _ = row
    return {
        "position": position,
        "recordedAt": recorded_at,
        "version": version,
        "topic": topic,
        "metadata": b64encode(metadata).decode(),
        "state": b64encode(state).decode(),
        "inclusionProof": [sibling.hex() for sibling in proof],
    }
