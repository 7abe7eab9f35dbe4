"""Checkpointing: signing what the ledgers have become since they were signed last.

In: the database and the master keys. Out: new checkpoints, kept in `events.checkpoints` and handed on; a
ledger that does not follow from its last checkpoint is not signed. Only the events since then are read: the
tree goes on from the frontier that was kept with it. Any number of processes may do this: a checkpoint is a
function of the ledger, so that two of them write the same. A long way is signed in stages, so that what
breaks off is not lost.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import structlog

from events.database import Database, Row
from events.errors import LedgerBroken
from events.master_keys import MasterKeys
from events.proof.checkpoint import Checkpoint, Statement, sign, subject_of
from events.proof.ledger_reading import read_ends, walk
from events.proof.merkle import HASH_BYTES, Node, Tree
from events.proof.verification import Break, Place, beginning
from events.queries import ADD_CHECKPOINT, ADD_MERKLE_NODES, CHECKPOINT_AT, LAST_CHECKPOINT, MOVED_LEDGERS
from events.signing import public_keys
from events.stream.broker import Broker
from events.stream.jetstream import JetStream
from events.supervision import supervised

LEDGERS_PAGE = 100
STAGE = 1_000_000
"""Events after which a checkpoint is kept on the way; half a minute's reading."""

log = structlog.get_logger(__name__)


class Signed(NamedTuple):
    """A checkpoint, and the tree that it signs."""

    checkpoint: Checkpoint
    tree: Tree


class Stored(NamedTuple):
    """A checkpoint and the bytes of its frontier, from the table."""

    checkpoint: Checkpoint
    frontier: bytes


async def run_checkpoints(
    database_url: str, broker: Broker | str | None, master_keys: MasterKeys, *, seconds: float
) -> None:
    """Sign what has moved, and publish it, now and every so many seconds; 0 is never."""
    if seconds == 0:
        return

    async def attempt() -> None:
        async with Database.connect(database_url, size=2) as database:
            while True:
                await sign_and_publish(database, broker, master_keys)
                await asyncio.sleep(seconds)

    await supervised("checkpoints", attempt)


async def sign_and_publish(database: Database, broker: Broker | str | None, master_keys: MasterKeys) -> None:
    """One round. A broken ledger is told and does not keep others from being signed."""
    signed: list[Checkpoint] = []
    last_id = ""
    while page := await moved_ledgers(database, last_id):
        for last_id in page:
            made = await sign_or_tell(database, last_id, master_keys)
            signed += [made.checkpoint] if made else []
    if signed and broker is not None:
        async with JetStream.connect(broker) as stream:
            for checkpoint in signed:
                await publish(stream, checkpoint)
    if signed:
        log.info("checkpoints_signed", ledgers=len(signed))


async def sign_or_tell(database: Database, merchant_id: str, master_keys: MasterKeys) -> Signed | None:
    """Sign one ledger; if it is broken, say so."""
    try:
        return await sign_ledger(database, merchant_id, master_keys)
    except LedgerBroken as error:
        log.critical("ledger_broken", merchant_id=merchant_id, reason=str(error))
        return None


async def publish(broker: JetStream, checkpoint: Checkpoint) -> None:
    """Tell whoever listens for this merchant's checkpoints. Raises BrokerUnavailable."""
    await broker.tell(subject_of(checkpoint.statement.merchant_id), checkpoint.line())


async def moved_ledgers(database: Database, after: str) -> list[str]:
    """A page of merchants, beyond an id, that have events since their last checkpoints."""
    return [row["id"] for row in await database.fetch(MOVED_LEDGERS, after, LEDGERS_PAGE)]


async def sign_ledger(database: Database, merchant_id: str, master_keys: MasterKeys) -> Signed | None:
    """The checkpoint of a ledger's head, made now if it has moved; None for one without events.

    Raises LedgerBroken: what is there does not follow from the last checkpoint, or does not lead to the head.
    """
    ends = await read_ends(database, merchant_id)
    if ends.head is None or ends.head.position == 0:
        return None
    last = await last_checkpoint(database, merchant_id, ends.epoch, master_keys)
    if last is not None and _place(last.checkpoint) == ends.head:
        return last
    return await _extend(database, merchant_id, ends.head, ends.epoch, last, master_keys)


async def stored_checkpoint(database: Database, merchant_id: str, epoch: int) -> Stored | None:
    """The last one of this epoch as the table has it, believed by nobody yet."""
    rows = await database.fetch(LAST_CHECKPOINT, merchant_id, epoch)
    return _stored(merchant_id, epoch, rows[0]) if rows else None


def _stored(merchant_id: str, epoch: int, row: Row) -> Stored:
    said = Statement(merchant_id, epoch, row["position"], row["recorded_at"], row["hash"], row["merkle_root"])
    return Stored(Checkpoint(said, row["public_key"], row["signature"]), row["frontier"])


async def last_checkpoint(
    database: Database, merchant_id: str, epoch: int, master_keys: MasterKeys
) -> Signed | None:
    """The last one of this epoch, with its tree. Raises LedgerBroken: it is not as it was signed by us."""
    stored = await stored_checkpoint(database, merchant_id, epoch)
    return _believed(stored, master_keys) if stored else None


async def signed_at(
    database: Database, merchant_id: str, epoch: int, position: int, master_keys: MasterKeys
) -> Signed | None:
    """The one at this position, with its tree. Raises LedgerBroken: it is not as it was signed by us."""
    rows = await database.fetch(CHECKPOINT_AT, merchant_id, epoch, position)
    return _believed(_stored(merchant_id, epoch, rows[0]), master_keys) if rows else None


def _believed(stored: Stored, master_keys: MasterKeys) -> Signed:
    """A stored checkpoint and its tree. Raises LedgerBroken: it is not as it was signed by us."""
    checkpoint, frontier = stored
    merchant_id = checkpoint.statement.merchant_id
    said = checkpoint.statement
    subtrees = [frontier[first : first + HASH_BYTES] for first in range(0, len(frontier), HASH_BYTES)]
    known = checkpoint.public_key in public_keys(master_keys) and checkpoint.is_genuine()
    if not known or len(subtrees) != said.position.bit_count():
        raise LedgerBroken(f"{merchant_id}: its checkpoint at position {said.position} was altered")
    tree = Tree(said.position, subtrees)
    if tree.root() != said.merkle_root:
        raise LedgerBroken(
            f"{merchant_id}: the frontier of its checkpoint at position {said.position} was altered"
        )
    return Signed(checkpoint, tree)


async def _extend(
    database: Database,
    merchant_id: str,
    head: Place,
    epoch: int,
    last: Signed | None,
    master_keys: MasterKeys,
) -> Signed:
    """Follow the ledger from its last checkpoint to its head, sign there, and at each stage on the way."""
    place, tree = (_place(last.checkpoint), last.tree) if last else (beginning(merchant_id), Tree())
    signed = place
    try:
        async for reached in walk(database, merchant_id, place, head.position, tree):
            place = reached
            await _keep_nodes(database, merchant_id, epoch, tree.take_completed())
            if place.position - signed.position >= STAGE and place.position < head.position:
                await _sign(database, merchant_id, place, epoch, tree, master_keys)
                signed = place
    except Break as broken:
        position = broken.place.position + 1
        raise LedgerBroken(_do_not_sign(f"{merchant_id} position {position}: the chain breaks")) from None
    if place != head:
        raise LedgerBroken(_do_not_sign(f"{merchant_id}: its events do not lead to its head"))
    return Signed(await _sign(database, merchant_id, head, epoch, tree, master_keys), tree)


async def _sign(
    database: Database, merchant_id: str, place: Place, epoch: int, tree: Tree, master_keys: MasterKeys
) -> Checkpoint:
    """Keep the checkpoint of a place that was followed to; the tree is that of the events up to there."""
    said = Statement(merchant_id, epoch, place.position, place.recorded_at, place.hash, tree.root())
    checkpoint = sign(said, master_keys)
    await database.fetch(
        ADD_CHECKPOINT,
        merchant_id,
        epoch,
        place.position,
        place.recorded_at,
        place.hash,
        said.merkle_root,
        b"".join(tree.frontier),
        checkpoint.public_key,
        checkpoint.signature,
    )
    return checkpoint


async def _keep_nodes(database: Database, merchant_id: str, epoch: int, nodes: list[Node]) -> None:
    if nodes:
        levels, numbers, hashes = (list(column) for column in zip(*nodes, strict=True))
        await database.fetch(ADD_MERKLE_NODES, merchant_id, epoch, levels, numbers, hashes)


def _place(checkpoint: Checkpoint) -> Place:
    said = checkpoint.statement
    return Place(said.position, said.recorded_at, said.hash)


def _do_not_sign(what: str) -> str:
    return f"{what}; nothing more is signed (`customers verify` tells more)"
