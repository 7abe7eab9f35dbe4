"""Signed statements: what is signed, and that nothing else passes."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from events.master_keys import MasterKeys
from events.signing import is_signed, public_key, public_keys, sign, signed_bytes, write_public_key

KEYS = MasterKeys({1: b"1" * 32})
LATER = MasterKeys({1: b"1" * 32, 2: b"2" * 32})
STATEMENT: dict[str, Any] = {"position": 17, "merchantId": "mer_1", "name": 'Zoë "Z"', "root": None}


def test_the_bytes_that_are_signed_can_be_written_down_by_hand() -> None:
    assert signed_bytes("checkpoint", STATEMENT) == (
        b'checkpoint\n{"merchantId":"mer_1","name":"Zo\xc3\xab \\"Z\\"","position":17,"root":null}'
    )


def test_a_signature_is_plain_ed25519_over_them() -> None:
    signed = sign(KEYS, "checkpoint", STATEMENT)
    key = Ed25519PublicKey.from_public_bytes(b64decode(signed["publicKey"]))
    key.verify(b64decode(signed["signature"]), signed_bytes("checkpoint", STATEMENT))


def test_a_statement_says_what_it_said_and_signing_again_gives_the_same() -> None:
    signed = sign(KEYS, "checkpoint", STATEMENT)
    assert {name: signed[name] for name in STATEMENT} == STATEMENT
    assert sign(KEYS, "checkpoint", STATEMENT) == signed


def test_what_was_signed_under_an_earlier_master_key_stays_signed() -> None:
    earlier, later = sign(KEYS, "checkpoint", STATEMENT), sign(LATER, "checkpoint", STATEMENT)
    assert earlier["publicKey"] != later["publicKey"]
    assert {write_public_key(key) for key in public_keys(LATER)} == {earlier["publicKey"], later["publicKey"]}
    for signed in (earlier, later):
        assert is_signed("checkpoint", signed, public_keys(LATER))
    assert not is_signed("checkpoint", later, public_keys(KEYS))


@pytest.mark.parametrize(
    "change",
    [
        {"position": 18},
        {"root": ""},
        {"more": 1},
        {"signature": ""},
        {"signature": "AAAA"},
        {"signature": "no base64"},
        {"signature": None},
        {"publicKey": None},
        {"publicKey": write_public_key(public_key(LATER, 2))},
    ],
)
def test_whatever_is_changed_is_found(change: dict[str, Any]) -> None:
    assert not is_signed("checkpoint", sign(KEYS, "checkpoint", STATEMENT) | change, public_keys(LATER))


def test_a_statement_of_one_kind_is_none_of_another() -> None:
    assert not is_signed("erasure", sign(KEYS, "checkpoint", STATEMENT), public_keys(KEYS))
