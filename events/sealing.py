"""Sealing: personal values under the customer's own data key.

In: values and the data key. Out: base64 of nonce ‖ AES-256-GCM ciphertext ‖ tag. The associated data is
merchant, customer and version, so a sealed blob moved to another event does not open.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.customer import Personal, Values
from events.errors import DataKeyMissing, SealBroken
from events.randomness import random_bytes

KEY_BYTES = 32
NONCE_BYTES = 12


class DataKey:
    """One customer's key, opened. Lives in memory only; `events/master_keys.py` wraps it for the table."""

    __slots__ = ("_cipher", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._cipher = AESGCM(raw)

    def __repr__(self) -> str:
        return "DataKey(…)"

    @classmethod
    def generate(cls) -> DataKey:
        """A new random key."""
        return cls(random_bytes(KEY_BYTES))

    def seal(self, personal: Personal) -> str:
        """The values, unreadable without this key."""
        nonce = random_bytes(NONCE_BYTES)
        owner = _associated_data(personal.merchant_id, personal.customer_id, personal.version)
        sealed = self._cipher.encrypt(nonce, orjson.dumps(personal.values), owner)
        return b2a_base64(nonce + sealed, newline=False).decode()

    def open(self, merchant_id: str, customer_id: str, version: int, blob: str) -> Personal:
        """What was sealed for exactly this customer and version. Raises SealBroken."""
        return Personal(
            merchant_id, customer_id, version, self.open_values(merchant_id, customer_id, version, blob)
        )

    def open_values(self, merchant_id: str, customer_id: str, version: int, blob: str) -> Values:
        """The values alone. Raises SealBroken."""
        try:
            sealed = a2b_base64(blob, strict_mode=True)
            owner = _associated_data(merchant_id, customer_id, version)
            plain = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner)
        except (InvalidTag, ValueError) as error:
            raise SealBroken(f"the sealed values of {customer_id} version {version} do not open") from error
        values: Values = orjson.loads(plain)
        return values


class ErasedKey(DataKey):
    """Stands where an erased customer's key was: opens all that it sealed as nothing, and seals nothing."""

    __slots__ = ()

    def __init__(self) -> None:
        """There are no bytes."""

    def seal(self, personal: Personal) -> str:
        """Raises DataKeyMissing."""
        raise DataKeyMissing(f"{personal.customer_id} is erased: nothing is sealed for it any more")

    def open(self, merchant_id: str, customer_id: str, version: int, blob: str) -> Personal:  # noqa: ARG002 - as DataKey's
        """No values, and that there were some."""
        return Personal(merchant_id, customer_id, version, {}, erased=True)


def _associated_data(merchant_id: str, customer_id: str, version: int) -> bytes:
    # Identifiers hold no line feed, so the three cannot run into each other.
    return f"{merchant_id}\n{customer_id}\n{version}".encode()
