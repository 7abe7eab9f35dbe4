"""The ledger: a hash chain over a merchant's events, recomputed as `sql/functions/append.sql` computes it.

In: the columns of an event. Out: its leaf and the hash after it. Anyone can recompute the chain from this
page alone: integers are 8 bytes big-endian; customer id and topic are UTF-8 preceded by their length in
4 bytes big-endian; `‖` joins.

    leaf  = sha256(0x00 ‖ position ‖ recorded_at µs ‖ customer id ‖ version ‖ topic
                   ‖ sha256(metadata) ‖ sha256(state))
    hash  = sha256(0x01 ‖ previous hash ‖ leaf)
    first previous hash = sha256("customers-ledger-v1" ‖ merchant id)
"""

from __future__ import annotations

from hashlib import sha256


def first_hash(merchant_id: str) -> bytes:
    """The hash before a merchant's first event."""
    return sha256(b"customers-ledger-v1" + merchant_id.encode()).digest()


def leaf_hash(
    position: int, recorded_at: int, customer_id: str, version: int, topic: str, metadata: bytes, state: bytes
) -> bytes:
    """The leaf of one event."""
    return sha256(
        b"\x00"
        + position.to_bytes(8, "big")
        + recorded_at.to_bytes(8, "big")
        + _with_length(customer_id)
        + version.to_bytes(8, "big")
        + _with_length(topic)
        + sha256(metadata).digest()
        + sha256(state).digest()
    ).digest()


def next_hash(previous: bytes, leaf: bytes) -> bytes:
    """The ledger's hash after this leaf."""
    return sha256(b"\x01" + previous + leaf).digest()


def _with_length(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(4, "big") + encoded
