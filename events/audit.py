"""The audit of ledgers: rows, head and checkpoints against each other.

In: a database (a role that may only read is enough) and checkpoints that were kept elsewhere. Out: for each
merchant the first thing that is wrong, or nothing. The chain alone shows what was changed, removed or moved
within a ledger; only a checkpoint shows that its tail was cut or all of it rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter

from events.checkpoint import Checkpoint
from events.database import Database
from events.diagnosis import diagnose
from events.ledger_reading import Ends, read_ends, walk
from events.merkle import Tree
from events.queries import LEDGER_RANGE
from events.signing import write_public_key
from events.verification import Break, Finding, Place, beginning

Tell = Callable[[int], None]
"""Called with how many more events were looked at."""


async def verify_ledger(
    database: Database,
    merchant_id: str,
    checkpoints: Iterable[Checkpoint],
    keys: Collection[bytes],
    tell: Tell,
) -> Finding | None:
    """The first thing that is wrong with a merchant's ledger, by position. `keys` are those believed."""
    anchors = sorted(checkpoints, key=attrgetter("statement.position"))
    ends = await read_ends(database, merchant_id)
    if ends.head is None:
        return await _without_head(database, merchant_id, ends, anchors)
    for anchor in anchors:
        if problem := _not_to_be_believed(anchor, keys):
            return problem
    try:
        within = [anchor for anchor in anchors if _is_within(anchor, ends)]
        place = await _follow_anchors(database, merchant_id, ends.head, within, tell)
    except Break as broken:
        return await diagnose(database, merchant_id, broken, ends)
    except _Contradicted as contradicted:
        return contradicted.finding
    return await _at_the_end(database, merchant_id, place, ends) or _beyond(anchors, ends)


class _Contradicted(Exception):
    """A checkpoint says something else of a position."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


async def _follow_anchors(
    database: Database, merchant_id: str, head: Place, anchors: Sequence[Checkpoint], tell: Tell
) -> Place:
    """Follow the ledger to its head, and compare it with each checkpoint on the way."""
    place, agreed = beginning(merchant_id), 0
    tree = Tree() if anchors else None
    for anchor in [*anchors, None]:
        until = anchor.statement.position if anchor else head.position
        async for reached in walk(database, merchant_id, place, until, tree):
            tell(reached.position - place.position)
            place = reached
            if tree is not None:
                tree.take_completed()  # of no use here
        if anchor is not None and tree is not None:
            _compare(anchor, place, tree.root(), agreed)
            agreed = place.position
    return place


def _is_within(anchor: Checkpoint, ends: Ends) -> bool:
    """Whether the ledger reaches it in the same history; what is told of others: `_beyond`."""
    said = anchor.statement
    return ends.head is not None and said.position <= ends.head.position and said.epoch == ends.epoch


def _compare(anchor: Checkpoint, place: Place, root: bytes, agreed: int) -> None:
    """Raise _Contradicted unless the ledger is what the checkpoint says; `agreed` is where one last did."""
    said = anchor.statement
    if (said.recorded_at, said.hash, said.merkle_root) != (place.recorded_at, place.hash, root):
        text = (
            f"the chain holds, but the checkpoint has another {_difference(anchor, place)} at position "
            f"{place.position}: events were replaced between positions {agreed + 1} and {place.position}"
        )
        raise _Contradicted(Finding(said.merchant_id, place.position, None, "rewritten", text))


def _difference(anchor: Checkpoint, place: Place) -> str:
    if anchor.statement.hash != place.hash:
        return "hash"
    return "Merkle root" if anchor.statement.recorded_at == place.recorded_at else "time"


def _not_to_be_believed(anchor: Checkpoint, keys: Collection[bytes]) -> Finding | None:
    said = anchor.statement
    if anchor.public_key not in keys:
        text = (
            f"the checkpoint is signed by {write_public_key(anchor.public_key)}, which is not a key of ours"
        )
        return Finding(said.merchant_id, said.position, None, "foreign key", text)
    if not anchor.is_genuine():
        text = "the checkpoint's signature does not fit what it says"
        return Finding(said.merchant_id, said.position, None, "bad signature", text)
    return None


async def _without_head(
    database: Database, merchant_id: str, ends: Ends, anchors: Sequence[Checkpoint]
) -> Finding | None:
    """What is wrong with a merchant that is not there."""
    if ends.last_position:
        first = ends.first_position
        rows = await database.fetch(LEDGER_RANGE, merchant_id, first - 1, first)
        customer_id = rows[0]["originator_id"] if rows else None
        text = "there is no such merchant, but an event of it"
        return Finding(merchant_id, first, customer_id, "foreign", text)
    last = anchors[-1].statement.position if anchors else 0
    text = f"there is no such merchant, but a checkpoint of it at position {last}"
    return Finding(merchant_id, 0, None, "missing", text if anchors else "there is no such merchant")


async def _at_the_end(database: Database, merchant_id: str, place: Place, ends: Ends) -> Finding | None:
    """Whether the head agrees with the last event, and no event stands outside the ledger."""
    if ends.head != place:
        text = (
            f"the head has another {'hash' if ends.head and ends.head.hash != place.hash else 'time'} than it"
        )
        return Finding(merchant_id, place.position, None, "head", f"this is the last event, and {text}")
    if ends.last_position > place.position:
        rows = await database.fetch(LEDGER_RANGE, merchant_id, place.position, ends.last_position)
        text = f"the ledger ends at position {place.position}, and an event stands beyond it"
        return Finding(merchant_id, rows[0]["position"], rows[0]["originator_id"], "beyond head", text)
    if ends.first_position < 0 or (ends.first_position == 0 and ends.last_position):
        text = f"an event stands at position {ends.first_position}, before the first"
        return Finding(merchant_id, ends.first_position, None, "reordered", text)
    return None


def _beyond(anchors: Sequence[Checkpoint], ends: Ends) -> Finding | None:
    """Checkpoints that the ledger, whole as it looks, does not reach; and those of another history."""
    head_position = ends.head.position if ends.head else 0
    for anchor in anchors:
        said = anchor.statement
        if said.epoch != ends.epoch:
            text = (
                f"the checkpoint is of epoch {said.epoch}, the ledger of epoch {ends.epoch}: another history"
            )
            return Finding(said.merchant_id, said.position, None, "epoch", text)
        if said.position > head_position:
            text = f"the ledger ends at position {head_position}, and a checkpoint is at {said.position}"
            return Finding(said.merchant_id, head_position + 1, None, "cut", text)
    return None
