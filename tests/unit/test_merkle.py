"""The Merkle tree, against the recursive definitions of RFC 9162 §2.1, and known answers."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.proof.merkle import (
    STORED_LEVEL,
    Node,
    Tree,
    inclusion_proof,
    nodes_over,
    root_from_proof,
    subtree_around,
)

# Certificate Transparency's own test vectors: inputs of its reference tree, and the roots after each.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def some_leaves(count: int) -> list[bytes]:
    return [leaf(number.to_bytes(4, "big")) for number in range(count)]


def split(count: int) -> int:
    """The largest power of two smaller than this."""
    return 1 << (count - 1).bit_length() - 1


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    half = split(len(leaves))
    return sha256(b"\x01" + defined_root(leaves[:half]) + defined_root(leaves[half:])).digest()


def defined_proof(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162 §2.1.3.1."""
    if len(leaves) == 1:
        return []
    half = split(len(leaves))
    if index < half:
        return [*defined_proof(index, leaves[:half]), defined_root(leaves[half:])]
    return [*defined_proof(index - half, leaves[half:]), defined_root(leaves[:half])]


def grown(leaves: list[bytes]) -> Tree:
    tree = Tree()
    for one in leaves:
        tree.append(one)
    return tree


def proof_of(index: int, leaves: list[bytes]) -> list[bytes]:
    known = nodes_over(leaves, 0)
    return inclusion_proof(
        index, grown(leaves).frontier, len(leaves), lambda level, number: known[level, number]
    )


places = st.integers(1, 700).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))


def test_the_roots_of_the_known_tree_are_the_published_ones() -> None:
    tree = Tree()
    assert tree.root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for text, root in zip(INPUTS, ROOTS, strict=True):
        tree.append(leaf(bytes.fromhex(text)))
        assert tree.root().hex() == root


@given(st.integers(0, 700))
def test_a_root_is_the_one_defined(size: int) -> None:
    leaves = some_leaves(size)
    assert grown(leaves).root() == defined_root(leaves)


@given(places)
def test_a_proof_is_the_one_defined_and_leads_to_the_root(place: tuple[int, int]) -> None:
    size, index = place
    leaves = some_leaves(size)
    proof = proof_of(index, leaves)
    assert proof == defined_proof(index, leaves)
    assert root_from_proof(leaves[index], index, size, proof) == defined_root(leaves)


@given(places, st.data())
def test_a_proof_that_was_touched_leads_elsewhere(place: tuple[int, int], data: st.DataObject) -> None:
    size, index = place
    leaves = some_leaves(size)
    root, proof = defined_root(leaves), proof_of(index, leaves)
    other = data.draw(st.integers(0, size + 1).filter(lambda number: number != index))
    assert root_from_proof(leaf(b"another"), index, size, proof) != root
    assert root_from_proof(leaves[index], other, size, proof) != root
    assert root_from_proof(leaves[index], index, size, [*proof, root]) is None
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        assert root_from_proof(leaves[index], index, size, proof[:-1]) is None
        changed = [*proof[:at], leaf(b"another"), *proof[at + 1 :]]
        assert root_from_proof(leaves[index], index, size, changed) != root


@given(st.integers(0, 700), st.integers(0, 700))
def test_a_tree_goes_on_from_its_frontier(size: int, more: int) -> None:
    leaves = some_leaves(size + more)
    first = grown(leaves[:size])
    second = Tree(first.size, first.frontier)
    for one in leaves[size:]:
        second.append(one)
    assert second.root() == defined_root(leaves)


@given(st.integers(0, 1100))
def test_the_nodes_worth_keeping_are_all_complete_subtrees_from_their_level_up(size: int) -> None:
    leaves = some_leaves(size)
    tree = grown(leaves)
    kept = {Node(level, index, node) for (level, index), node in nodes_over(leaves, 0).items() if level >= 8}
    assert STORED_LEVEL == 8
    assert set(tree.take_completed()) == kept
    assert tree.take_completed() == []


@given(st.integers(0, 300), st.integers(1, 300))
def test_nodes_over_a_part_are_those_of_the_whole(first: int, count: int) -> None:
    leaves = some_leaves(first + count)
    whole, part = nodes_over(leaves, 0), nodes_over(leaves[first:], first)
    assert part.items() <= whole.items()
    covered = {
        (level, index): node
        for (level, index), node in whole.items()
        if index << level >= first and (index + 1) << level <= first + count
    }
    assert part == covered


def test_a_leaf_beyond_the_tree_has_no_proof() -> None:
    assert root_from_proof(leaf(b""), 1, 1, []) is None
    assert root_from_proof(leaf(b""), -1, 1, []) is None
    with pytest.raises(ValueError, match="no leaf 3"):
        subtree_around(3, 3)


def test_a_frontier_that_does_not_fit_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="3 leaves has 2"):
        Tree(3, [leaf(b"")])
