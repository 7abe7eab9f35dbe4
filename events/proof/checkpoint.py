"""Checkpoints: signed statements of what a merchant's ledger is up to a position. Pure.

In: position, hash, Merkle root, and a master key. Out: a `Checkpoint`, its line of JSON, and whether its
signature holds. Kept elsewhere, one shows what the chain alone cannot: a tail that was cut, a ledger that was
rewritten as a whole. The same ledger always gives the same bytes. The format, byte by byte: PROOF.md.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any, NamedTuple

import orjson

from events.errors import CheckpointUnreadable
from events.master_keys import MasterKeys
from events.signing import Signature, sign_bytes, write_public_key

HEADING = "customers-checkpoint-v1"
SUBJECT = "checkpoints.v1"
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
LARGEST = 2**63 - 1


class Statement(NamedTuple):
    """What is signed. `recorded_at` is the time of the event at `position`, in µs."""

    merchant_id: str
    epoch: int
    position: int
    recorded_at: int
    hash: bytes
    merkle_root: bytes

    def text(self) -> bytes:
        """The bytes under the signature: a heading and six lines. Merchant ids hold no line feed."""
        lines = (
            HEADING,
            self.merchant_id,
            self.epoch,
            self.position,
            self.recorded_at,
            self.hash.hex(),
            self.merkle_root.hex(),
        )
        return "".join(f"{line}\n" for line in lines).encode()


class Checkpoint(NamedTuple):
    """A statement, the key that signed it, the signature."""

    statement: Statement
    public_key: bytes
    signature: bytes

    def is_genuine(self) -> bool:
        """Whether the signature is the key's own; whose the key is, is another question."""
        return Signature(self.public_key, self.signature).fits(self.statement.text())

    def members(self) -> dict[str, Any]:
        """As JSON has it: 32 bytes of hash in hexadecimal, key and signature in base64."""
        said = self.statement
        return {
            "merchantId": said.merchant_id,
            "position": said.position,
            "hash": said.hash.hex(),
            "merkleRoot": said.merkle_root.hex(),
            "recordedAt": said.recorded_at,
            "epoch": said.epoch,
            "publicKey": write_public_key(self.public_key),
            "signature": b64encode(self.signature).decode(),
        }

    def line(self) -> bytes:
        """One line of JSON, without its end."""
        return orjson.dumps(self.members())


def subject_of(merchant_id: str) -> str:
    """The NATS subject that a merchant's checkpoints are published on."""
    return f"{SUBJECT}.{merchant_id}"


def sign(statement: Statement, master_keys: MasterKeys) -> Checkpoint:
    """The checkpoint, under the current version of the master key."""
    return Checkpoint(statement, *sign_bytes(master_keys, statement.text()))


def read_checkpoint(line: bytes) -> Checkpoint:
    """From its JSON; members that are not known are ignored. Raises CheckpointUnreadable, which says why."""
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise CheckpointUnreadable("it is not JSON") from None
    if not isinstance(said, dict):
        raise CheckpointUnreadable("it is no JSON object")
    return Checkpoint(
        Statement(
            _text(said, "merchantId"),
            _number(said, "epoch"),
            _number(said, "position"),
            _number(said, "recordedAt"),
            _hexadecimal(said, "hash"),
            _hexadecimal(said, "merkleRoot"),
        ),
        _base64(said, "publicKey", PUBLIC_KEY_BYTES),
        _base64(said, "signature", SIGNATURE_BYTES),
    )


def read_public_key(text: str) -> bytes:
    """From its base64. Raises CheckpointUnreadable."""
    return _base64({"the public key": text}, "the public key", PUBLIC_KEY_BYTES)


def _text(said: dict[str, Any], member: str) -> str:
    value = said.get(member)
    if not isinstance(value, str):
        raise CheckpointUnreadable(f"{member} must be a string")
    return value


def _number(said: dict[str, Any], member: str) -> int:
    value = said.get(member)
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise CheckpointUnreadable(f"{member} must be an integer from 0 to {LARGEST}")
    return value


def _hexadecimal(said: dict[str, Any], member: str) -> bytes:
    try:
        value = bytes.fromhex(_text(said, member))
    except ValueError:
        value = b""
    if len(value) != 32:
        raise CheckpointUnreadable(f"{member} must be 64 hexadecimal digits")
    return value


def _base64(said: dict[str, Any], member: str, length: int) -> bytes:
    try:
        value = b64decode(_text(said, member), validate=True)
    except ValueError:
        value = b""
    if len(value) != length:
        raise CheckpointUnreadable(f"{member} must be {length} bytes in base64")
    return value
