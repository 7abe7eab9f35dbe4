"""The ledger's hashes, against an implementation written from its definition alone, and as literals."""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from events.ledger import first_hash, leaf_hash, next_hash

MERCHANT = "mer_01jd4q8w9zexampxexampxe001"
CUSTOMER = "cus_01jd4q8w9zexampxexampxe000"
LEAF: dict[str, Any] = {
    "position": 1,
    "recorded_at": 1_767_225_600_000_001,
    "customer_id": CUSTOMER,
    "version": 1,
    "topic": "CustomerCreated",
    "metadata": b"{}",
    "state": b'{"a":1}',
}

numbers = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
leaves = st.fixed_dictionaries(
    {
        "position": numbers,
        "recorded_at": numbers,
        "customer_id": texts,
        "version": numbers,
        "topic": texts,
        "metadata": st.binary(max_size=20),
        "state": st.binary(max_size=20),
    }
)


def defined_leaf(leaf: dict[str, Any]) -> bytes:
    """The definition, packed by `struct` instead of joined by hand."""
    customer, topic = leaf["customer_id"].encode(), leaf["topic"].encode()
    layout = f">cqqI{len(customer)}sqI{len(topic)}s32s32s"
    hashed = [sha256(leaf[part]).digest() for part in ("metadata", "state")]
    numbers_first = (b"\0", leaf["position"], leaf["recorded_at"])
    packed = struct.pack(
        layout, *numbers_first, len(customer), customer, leaf["version"], len(topic), topic, *hashed
    )
    return sha256(packed).digest()


def without_lengths(leaf: dict[str, Any]) -> bytes:
    """What would be hashed if texts came without their lengths."""
    return b"".join(
        [leaf["customer_id"].encode(), leaf["version"].to_bytes(8, "big"), leaf["topic"].encode()]
    )


@given(leaves)
def test_a_leaf_is_what_its_definition_says(leaf: dict[str, Any]) -> None:
    assert leaf_hash(**leaf) == defined_leaf(leaf)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_the_next_hash_binds_the_previous_one_and_the_leaf(previous: bytes, leaf: bytes) -> None:
    assert next_hash(previous, leaf) == sha256(b"\x01" + previous + leaf).digest()


def test_the_hashes_of_a_known_ledger_never_change() -> None:
    first = first_hash(MERCHANT)
    leaf = leaf_hash(**LEAF)
    assert first.hex() == "3dffcb160522de5bff257ab30e548f5e8505e33013ad4053c1624fb0886243f7"
    assert leaf.hex() == "842224957e5636ccb410383aee070b1273bcf881236e6f5bc8c4391738d6130b"
    assert next_hash(first, leaf).hex() == "c7116fbf78f342e476d094476356e04fa6e8e6145dcc11b37952129ab7cbc70a"


def test_merchants_begin_with_different_hashes() -> None:
    assert first_hash(MERCHANT) == sha256(b"customers-ledger-v1mer_01jd4q8w9zexampxexampxe001").digest()
    assert first_hash(MERCHANT) != first_hash(CUSTOMER)


@given(leaves, leaves)
def test_different_events_have_different_leaves(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (leaf_hash(**one) == leaf_hash(**other)) == (one == other)


def test_text_that_runs_from_one_member_into_the_next_changes_the_leaf() -> None:
    one: dict[str, Any] = LEAF | {"customer_id": "cus_1", "version": ord("A"), "topic": "BC"}
    other: dict[str, Any] = LEAF | {
        "customer_id": "cus_1\0",
        "version": 256 * ord("A") + ord("B"),
        "topic": "C",
    }
    assert without_lengths(one) == without_lengths(other)
    assert leaf_hash(**one) != leaf_hash(**other)


def test_metadata_and_state_may_not_change_places() -> None:
    swapped = LEAF | {"metadata": LEAF["state"], "state": LEAF["metadata"]}
    assert leaf_hash(**swapped) != leaf_hash(**LEAF)
