"""Signatures: what the service vouches for, so that anyone can check it with the public key alone.

In: bytes, or a statement, a flat object of strings, integers and nulls. Out: a signature (Ed25519, RFC 8032);
or the statement with `publicKey` and `signature`, both base64. One key, derived from the master key, signs
whatever is signed, so there is no other secret to keep; signing twice gives the same bytes. What is signed
begins with a line that says what it is, so that nothing passes for something else.

Signed of a statement are these bytes: its kind, a line feed, and the statement without those two members as
JSON in UTF-8 with names sorted and no white space, every character as itself but those that JSON must escape.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from events.master_keys import MasterKeys

_PURPOSE = "customers signing key"
_ADDED = ("publicKey", "signature")


class Signature(NamedTuple):
    """A signature, 64 bytes, and the public key that it is verified with, 32 bytes."""

    public_key: bytes
    signature: bytes

    def fits(self, said: bytes) -> bool:
        """Whether the key has signed these bytes; whose the key is, is another question."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(self.signature, said)
        except (InvalidSignature, ValueError):
            return False
        return True


def sign_bytes(master_keys: MasterKeys, said: bytes) -> Signature:
    """The signature under the current master key. Ed25519 draws no random numbers."""
    key = _private_key(master_keys, master_keys.current)
    return Signature(key.public_key().public_bytes_raw(), key.sign(said))


def sign(master_keys: MasterKeys, kind: str, statement: Mapping[str, Any]) -> dict[str, Any]:
    """The statement, signed under the current master key."""
    public_key, signature = sign_bytes(master_keys, signed_bytes(kind, statement))
    return {
        **statement,
        "publicKey": write_public_key(public_key),
        "signature": b64encode(signature).decode(),
    }


def is_signed(kind: str, statement: Mapping[str, Any], public_keys: Collection[bytes]) -> bool:
    """Whether one of these keys has signed the statement, as one of this kind."""
    try:
        signature = Signature(*(b64decode(statement.get(name, ""), validate=True) for name in _ADDED))
    except (ValueError, TypeError):
        return False
    return signature.public_key in public_keys and signature.fits(signed_bytes(kind, statement))


def public_key(master_keys: MasterKeys, version: int) -> bytes:
    """What verifies the signatures by this version. Raises MasterKeyMismatch if it is unknown."""
    return _private_key(master_keys, version).public_key().public_bytes_raw()


def public_keys(master_keys: MasterKeys) -> frozenset[bytes]:
    """The public keys of all versions: whatever one of them signed is ours."""
    return frozenset(public_key(master_keys, version) for version in master_keys.versions)


def write_public_key(key: bytes) -> str:
    """Its base64."""
    return b64encode(key).decode()


def signed_bytes(kind: str, statement: Mapping[str, Any]) -> bytes:
    """What is signed of a statement."""
    told = {name: value for name, value in statement.items() if name not in _ADDED}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{kind}\n{text}".encode()


def _private_key(master_keys: MasterKeys, version: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(master_keys.derived(version, _PURPOSE))
