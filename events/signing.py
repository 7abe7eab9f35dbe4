"""Signatures: what the service vouches for, so that anyone can check it with the public key alone.

In: a statement, a flat object of strings, integers and nulls. Out: the statement with `publicKey` and
`signature` (Ed25519, RFC 8032; both base64). The private key is derived from the master key, so there is no
other secret to keep, and signing a statement twice gives the same bytes.

Signed are these bytes: the kind of statement, a line feed, and the statement without those two members as
JSON in UTF-8 with names sorted and no white space, every character as itself but those that JSON must escape.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from events.master_keys import MasterKeys

_PURPOSE = "customers signing key"
_ADDED = frozenset({"publicKey", "signature"})


def sign(master_keys: MasterKeys, kind: str, statement: Mapping[str, Any]) -> dict[str, Any]:
    """The statement, signed under the current master key."""
    key = _private_key(master_keys, master_keys.current)
    signature = key.sign(signed_bytes(kind, statement))
    return {**statement, "publicKey": _public_text(key), "signature": b64encode(signature).decode()}


def is_signed(kind: str, statement: Mapping[str, Any], public_keys: Collection[str]) -> bool:
    """Whether one of these keys has signed the statement, as one of this kind."""
    public_key, signature = statement.get("publicKey"), statement.get("signature")
    if not isinstance(public_key, str) or not isinstance(signature, str) or public_key not in public_keys:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(b64decode(public_key, validate=True))
        key.verify(b64decode(signature, validate=True), signed_bytes(kind, statement))
    except (InvalidSignature, ValueError):
        return False
    return True


def public_keys(master_keys: MasterKeys) -> list[str]:
    """The public keys of all versions of the master key, the current one last."""
    return [_public_text(_private_key(master_keys, version)) for version in master_keys.versions]


def signed_bytes(kind: str, statement: Mapping[str, Any]) -> bytes:
    """What is signed."""
    told = {name: value for name, value in statement.items() if name not in _ADDED}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{kind}\n{text}".encode()


def _private_key(master_keys: MasterKeys, version: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(master_keys.derived(version, _PURPOSE))


def _public_text(key: Ed25519PrivateKey) -> str:
    return b64encode(key.public_key().public_bytes_raw()).decode()
