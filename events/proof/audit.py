"""The audit of ledgers: rows, head, checkpoints and data keys against each other.

In: a database (a role that may only read is enough), checkpoints that were kept elsewhere, and the keys that
sign. Out: for each merchant what is wrong: with its checkpoints, and the first thing with its ledger. The
chain alone shows what was changed, removed or moved within a ledger; only a checkpoint shows that its tail
was cut or all of it rewritten, and only one kept elsewhere that the stored ones were replaced, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from events.database import Database
from events.errors import LedgerUnknown
from events.proof.anchors import (
    Anchor,
    beyond,
    contradiction,
    disbelieved,
    is_within,
    kept_anchors,
    stored_anchors,
)
from events.proof.checkpoint import Checkpoint
from events.proof.diagnosis import diagnose
from events.proof.key_audit import audit_keys
from events.proof.ledger_reading import Ends, read_ends, walk
from events.proof.merkle import Tree
from events.proof.verification import Break, Finding, Place, beginning
from events.queries import LEDGER_RANGE

Tell = Callable[[int], None]
"""Called with how many more events were looked at."""


class Audited(NamedTuple):
    """What is wrong with a ledger, and how many stored checkpoints it was held against."""

    findings: list[Finding]
    stored: int


async def verify_ledger(
    database: Database,
    merchant_id: str,
    kept: Iterable[Checkpoint],
    keys: Collection[bytes],
    tell: Tell,
) -> Audited:
    """What is wrong with a merchant's checkpoints, and the first thing that is with its ledger, by position.

    `keys` are those believed; without any, what is stored is compared as it is, and no kept checkpoint is
    believed. Raises LedgerUnknown: nothing is known of such a merchant.
    """
    # In this order: a checkpoint that is stored meanwhile, of a head that has moved, is not taken for a cut.
    stored = await stored_anchors(database, merchant_id)
    ends = await read_ends(database, merchant_id)
    anchors, findings = _believed(kept_anchors(kept), keys)
    if keys:
        stored_believed, altered = _believed(stored, keys)
        anchors, findings = anchors + stored_believed, findings + altered
    else:
        anchors += stored
    anchors.sort(key=attrgetter("said.position"))  # stable: at one position, kept ones come first
    if ends.head is None and not (ends.last_position or anchors or findings):
        raise LedgerUnknown(f"there is no merchant {merchant_id}")
    finding = await _first_wrong(database, merchant_id, ends, anchors, tell)
    return Audited(findings + ([finding] if finding else []), len(stored))


def _believed(anchors: Sequence[Anchor], keys: Collection[bytes]) -> tuple[list[Anchor], list[Finding]]:
    """Those that may be believed, and what is wrong with the first one that may not."""
    believed: list[Anchor] = []
    findings: list[Finding] = []
    for anchor in anchors:
        if problem := disbelieved(anchor, keys):
            findings.append(problem)
        else:
            believed.append(anchor)
    if len(findings) > 1:
        more = f"{findings[0].text}; {len(findings) - 1} more of this ledger are not to be believed"
        findings = [findings[0]._replace(text=more)]
    return believed, findings


async def _first_wrong(
    database: Database, merchant_id: str, ends: Ends, anchors: Sequence[Anchor], tell: Tell
) -> Finding | None:
    """The first thing that is wrong with the ledger itself."""
    if ends.head is None:
        return await _without_head(database, merchant_id, ends, anchors)
    try:
        within = [anchor for anchor in anchors if is_within(anchor, ends)]
        place = await _follow(database, merchant_id, ends, within, tell)
    except Break as broken:
        return await diagnose(database, merchant_id, broken, ends)
    except _Contradicted as contradicted:
        return contradicted.finding
    return (
        await _at_the_end(database, merchant_id, place, ends)
        or beyond(anchors, ends)
        or await audit_keys(database, merchant_id, ends.head.position)
    )


class _Contradicted(Exception):
    """A checkpoint says something else of a position."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


async def _follow(
    database: Database, merchant_id: str, ends: Ends, anchors: Sequence[Anchor], tell: Tell
) -> Place:
    """Follow the ledger to its head, and compare it with each checkpoint on the way."""
    place, agreed = beginning(merchant_id), 0
    until = ends.head.position if ends.head else 0
    tree = Tree() if anchors else None
    stops = defaultdict(list)
    for anchor in anchors:
        stops[anchor.said.position].append(anchor)
    async for reached in walk(database, merchant_id, place, until, tree, stops.keys()):
        tell(reached.position - place.position)
        place = reached
        if tree is not None:
            tree.take_completed()  # of no use here
            for anchor in stops.get(place.position, ()):
                if found := contradiction(anchor, place, tree.root(), agreed, ends.epoch):
                    raise _Contradicted(found)
                agreed = place.position
    return place


async def _without_head(
    database: Database, merchant_id: str, ends: Ends, anchors: Sequence[Anchor]
) -> Finding | None:
    """What is wrong with a merchant that is not there."""
    if ends.last_position:
        first = ends.first_position
        rows = await database.fetch(LEDGER_RANGE, merchant_id, first - 1, first)
        customer_id = rows[0]["originator_id"] if rows else None
        text = "there is no such merchant, but an event of it"
        return Finding(merchant_id, first, customer_id, "foreign", text)
    if not anchors:
        return None
    last = anchors[-1]
    text = f"there is no such merchant, but a {last.kind} checkpoint of it at position {last.said.position}"
    return Finding(merchant_id, 0, None, "missing", text)


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
