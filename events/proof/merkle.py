"""The Merkle tree over a ledger's leaves: the one of RFC 9162 §2.1, grown leaf by leaf. Pure.

In: leaf hashes in order of position (`leaf` of `events/ledger.py`; leaf number = position - 1). Out: roots,
inclusion proofs, and whether one holds.

    node = sha256(0x01 ‖ left ‖ right);   root of nothing = sha256("")

A tree of any size is the row of complete subtrees that its size has in binary, the largest first: its
frontier. It is all that is needed to go on growing, at most 63 hashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
STORED_LEVEL = 8
"""Nodes from here up are worth keeping: one for 256 leaves, 0.4 % more hashes than events; below, 256 leaves
are hashed again faster than they are looked up."""

EMPTY_ROOT = sha256(b"").digest()


class Node(NamedTuple):
    """The root of the complete subtree over the leaves from `number * 2**level` on."""

    level: int
    number: int
    hash: bytes


FindHash = Callable[[int, int], bytes]
"""From level and index to a complete subtree's hash."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """What two subtrees side by side have for their root."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A growing tree: its size, its frontier, and the nodes from STORED_LEVEL up that were completed."""

    def __init__(self, size: int = 0, frontier: Iterable[bytes] = ()) -> None:
        self.size = size
        self.frontier = list(frontier)
        if len(self.frontier) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} complete subtrees")
        self._completed: list[Node] = []

    def append(self, leaf: bytes) -> None:
        """Grow by one leaf."""
        node, level, index = leaf, 0, self.size
        while index & 1:
            node, level, index = node_hash(self.frontier.pop(), node), level + 1, index >> 1
            if level >= STORED_LEVEL:
                self._completed.append(Node(level, index, node))
        self.frontier.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return root_of(self.frontier)

    def take_completed(self) -> list[Node]:
        """Nodes from STORED_LEVEL up that were completed since they were last taken."""
        completed, self._completed = self._completed, []
        return completed


def root_of(frontier: Sequence[bytes]) -> bytes:
    """The root of the tree with this frontier."""
    if not frontier:
        return EMPTY_ROOT
    root = frontier[-1]
    for subtree in frontier[-2::-1]:
        root = node_hash(subtree, root)
    return root


def subtree_around(index: int, size: int) -> tuple[int, int, int]:
    """The complete subtree of the frontier that holds a leaf: its number there, its first leaf, its level."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    first = 0
    for number, level in enumerate(level for level in range(size.bit_length(), -1, -1) if size >> level & 1):
        if index < first + (1 << level):
            return number, first, level
        first += 1 << level
    raise AssertionError("a size is the sum of its powers of two")


def inclusion_proof(index: int, frontier: Sequence[bytes], size: int, find: FindHash) -> list[bytes]:
    """The proof of a leaf (RFC 9162 §2.1.3.1), lowest sibling first. `find` gives complete subtrees."""
    number, _, height = subtree_around(index, size)
    within = [find(level, index >> level ^ 1) for level in range(height)]
    right = frontier[number + 1 :]
    return within + ([root_of(right)] if right else []) + list(frontier[:number][::-1])


def root_from_proof(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that a proof leads to (RFC 9162 §2.1.3.2), None if no tree of this size has such a proof."""
    if not 0 <= index < size:
        return None
    place, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if place & 1 or place == last:
            root = node_hash(sibling, root)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        place, last = place >> 1, last >> 1
    return root if last == 0 else None


def nodes_over(leaves: Sequence[bytes], first: int) -> dict[tuple[int, int], bytes]:
    """Every complete node over consecutive leaves, by level and index; `first` is the first leaf's number."""
    known: dict[tuple[int, int], bytes] = {}
    row, level, start = list(leaves), 0, first
    while row:
        known.update({(level, start + number): node for number, node in enumerate(row)})
        skip = start & 1
        pairs = range(skip, len(row) - 1, 2)
        row = [node_hash(row[left], row[left + 1]) for left in pairs]
        level, start = level + 1, start + skip >> 1
    return known
