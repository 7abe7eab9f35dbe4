"""NATS's nkeys: Ed25519 keys as text, so that a server knows a user without knowing the user's secret.

In: a seed (`SU…`), which is the secret. Out: the public key (`U…`) that a server's configuration names, and
signatures of what a server asks to be signed. Only users' keys are known here. Source: nats-io/nkeys.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from binascii import crc_hqx

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SEED = 18 << 3
_USER = 20 << 3
_HEAD = bytes([_SEED | _USER >> 5, (_USER & 31) << 3])
"""A seed says so, and whose it is, in its first ten bits and those after them."""
_KEY_BYTES = 32
_CHECK_BYTES = 2


class NotASeed(ValueError):
    """What should be a user's seed is none; the text never shows it."""


def make_seed(random: bytes) -> str:
    """The seed made of 32 random bytes."""
    return _text(_HEAD + random)


def public_key(seed: str) -> str:
    """The public half, as a server's configuration has it. Raises NotASeed."""
    return _text(bytes([_USER]) + _private(seed).public_key().public_bytes_raw())


def sign(seed: str, nonce: bytes) -> bytes:
    """The signature, 64 bytes, of what a server asks to be signed. Raises NotASeed."""
    return _private(seed).sign(nonce)


def is_public_key(text: str) -> bool:
    """Whether it is the public key of a user, with its check in order."""
    try:
        raw = _bytes(text)
    except ValueError:
        return False
    return len(raw) == 1 + _KEY_BYTES and raw[0] == _USER


def _private(seed: str) -> Ed25519PrivateKey:
    try:
        raw = _bytes(seed.strip())
    except ValueError:
        raise NotASeed("it is not the seed of an nkey, 58 characters that begin with SU") from None
    if len(raw) != len(_HEAD) + _KEY_BYTES or not raw.startswith(_HEAD):
        raise NotASeed("it is an nkey, but not the seed of a user, which begins with SU")
    return Ed25519PrivateKey.from_private_bytes(raw[len(_HEAD) :])


def _text(raw: bytes) -> str:
    return b32encode(raw + crc_hqx(raw, 0).to_bytes(_CHECK_BYTES, "little")).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """What the text holds. Raises ValueError: it is no base32, or would not be written like this."""
    raw = b32decode(text + "=" * (-len(text) % 8))[:-_CHECK_BYTES]
    if text != _text(raw):
        raise ValueError
    return raw
