"""Master keys: they wrap the customers' data keys and key the HMACs of API keys.

In: a text of lines `version:base64url of 32 bytes` (from a file of mode 0600, or a secret). Out: wrapped and
opened data keys, derived keys, check values. All of them open; which one wraps is decided by
`key_checks.py`, the highest until then.
"""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, urlsafe_b64encode
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.errors import MasterKeyMismatch
from events.randomness import random_bytes
from events.sealing import KEY_BYTES, NONCE_BYTES, DataKey


class MasterKeys:
    """The versions of the master key that this process knows."""

    def __init__(self, keys: dict[int, bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES or version < 1 for version, key in keys.items()):
            raise ValueError(
                f"a master key is version:base64url, with a version from 1 up and {KEY_BYTES} bytes"
            )
        self._keys = dict(keys)
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self.current = max(keys)
        self.derived = cache(self._derived)

    def __repr__(self) -> str:
        return f"MasterKeys(versions={sorted(self._keys)})"

    @staticmethod
    def generate_text(version: int = 1) -> str:
        """The text of one new random master key."""
        return f"{version}:{urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()}\n"

    @classmethod
    def from_text(cls, text: str) -> MasterKeys:
        """Read the text form. Raises ValueError without quoting the text."""
        keys: dict[int, bytes] = {}
        for line in text.split():
            number, _, encoded = line.partition(":")
            try:
                padded = encoded + "=" * (-len(encoded) % 4)
                version, key = int(number), b64decode(padded, altchars=b"-_", validate=True)
            except ValueError:
                raise ValueError(
                    "a master key is written as version:base64url of 32 bytes, one a line"
                ) from None
            if version in keys:
                raise ValueError(f"master key version {version} is given twice")
            keys[version] = key
        return cls(keys)

    def to_text(self) -> str:
        """The text form of all of them, for a process of ours: it is secret."""
        lines = (f"{version}:{urlsafe_b64encode(key).decode()}" for version, key in self._keys.items())
        return "\n".join(lines)

    def wrap_with(self, version: int) -> None:
        """Wrap and sign by this version from now on. Raises MasterKeyMismatch if it is unknown."""
        if version not in self._keys:
            raise MasterKeyMismatch(_not_given(version, self.versions))
        self.current = version

    def new_line(self) -> str:
        """The text of one new random master key, of the version after the highest."""
        return self.generate_text(max(self._keys) + 1)

    @property
    def versions(self) -> list[int]:
        """The versions known, ascending."""
        return sorted(self._keys)

    def wrap(self, data_key: DataKey, merchant_id: str, customer_id: str) -> bytes:
        """The data key for its row in customer_keys, under the current version."""
        nonce = random_bytes(NONCE_BYTES)
        owner = f"{merchant_id}\n{customer_id}".encode()
        return nonce + self._ciphers[self.current].encrypt(nonce, data_key.raw, owner)

    def unwrap(self, wrapped: bytes, version: int, merchant_id: str, customer_id: str) -> DataKey:
        """The data key again. Raises MasterKeyMismatch when the version is unknown or does not fit."""
        if version not in self._ciphers:
            raise MasterKeyMismatch(_not_given(version, self.versions))
        owner = f"{merchant_id}\n{customer_id}".encode()
        try:
            raw = self._ciphers[version].decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], owner)
        except (ValueError, InvalidTag) as error:
            raise MasterKeyMismatch(f"master key version {version} does not open this data key") from error
        return DataKey(raw)

    def check_value(self, version: int) -> bytes:
        """What proves knowledge of this version without telling it. Raises MasterKeyMismatch if unknown."""
        return self.derived(version, "customers master key check")

    def _derived(self, version: int, purpose: str) -> bytes:
        """A key for another purpose, by HMAC-SHA256 over the purpose's name (RFC 5869, expand, one block)."""
        if version not in self._keys:
            raise MasterKeyMismatch(_not_given(version, self.versions))
        return hmac.digest(self._keys[version], purpose.encode() + b"\x01", "sha256")


def _not_given(version: int, versions: list[int]) -> str:
    return f"master key version {version} is not among those given: {versions}"
