"""Sealing: opens for its own key, merchant, customer and version, and for nothing else."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.customer import Personal, Values
from events.errors import DataKeyMissing, SealBroken
from events.sealing import KEY_BYTES, NONCE_BYTES, DataKey, ErasedKey
from tests.support.cases import ACME, CUSTOMER, MERCHANT, customer_values

KEY = DataKey(bytes(range(32)))
TAG_BYTES = 16
OTHER_MERCHANT = "mer_01jd4q8w9zexampxexampxe009"
OTHER_CUSTOMER = "cus_01jd4q8w9zexampxexampxe009"
BLOB = KEY.seal(Personal(MERCHANT, CUSTOMER, 1, ACME))


def refused(blob: str, *, key: DataKey = KEY, merchant: str = MERCHANT, version: int = 1) -> str:
    """What the refusal says."""
    with pytest.raises(SealBroken) as broken:
        key.open(merchant, CUSTOMER, version, blob)
    return str(broken.value)


@given(customer_values)
def test_what_was_sealed_opens_for_the_same_customer_and_version(values: Values) -> None:
    personal = Personal(MERCHANT, CUSTOMER, 7, values)
    assert KEY.open(MERCHANT, CUSTOMER, 7, KEY.seal(personal)) == personal


def test_another_key_does_not_open() -> None:
    refused(BLOB, key=DataKey(bytes(32)))


def test_another_merchant_does_not_open() -> None:
    refused(BLOB, merchant=OTHER_MERCHANT)


def test_another_customer_does_not_open() -> None:
    with pytest.raises(SealBroken):
        KEY.open(MERCHANT, OTHER_CUSTOMER, 1, BLOB)


def test_another_version_does_not_open() -> None:
    refused(BLOB, version=2)


@given(st.integers(0, len(b64decode(BLOB)) * 8 - 1))
def test_a_flipped_bit_anywhere_does_not_open(bit: int) -> None:
    sealed = bytearray(b64decode(BLOB))
    sealed[bit // 8] ^= 1 << bit % 8
    refused(b64encode(sealed).decode())


@given(st.integers(0, len(b64decode(BLOB)) - 1))
def test_a_blob_cut_short_does_not_open(length: int) -> None:
    refused(b64encode(b64decode(BLOB)[:length]).decode())


@pytest.mark.parametrize(
    "blob",
    ["!" + BLOB[1:], BLOB[:-1], BLOB + "!", BLOB[:8] + "\n" + BLOB[8:], "é" + BLOB[1:]],
    ids=["foreign character", "cut", "something behind", "line feed inside", "not ASCII"],
)
def test_what_is_not_base64_any_more_does_not_open(blob: str) -> None:
    refused(blob)


def test_the_same_values_are_sealed_differently_each_time() -> None:
    personal = Personal(MERCHANT, CUSTOMER, 1, ACME)
    nonces = {b64decode(KEY.seal(personal))[:NONCE_BYTES] for _ in range(1000)}
    assert len(nonces) == 1000


def test_a_blob_is_nonce_ciphertext_and_tag_and_nothing_else() -> None:
    sealed = b64decode(KEY.seal(Personal(MERCHANT, CUSTOMER, 1, {"name": "J"})), validate=True)
    assert len(sealed) == NONCE_BYTES + len(b'{"name":"J"}') + TAG_BYTES


def test_generated_keys_differ_and_have_256_bits() -> None:
    raws = {DataKey.generate().raw for _ in range(100)}
    assert len(raws) == 100
    assert {len(raw) for raw in raws} == {KEY_BYTES}


def test_no_key_and_no_value_shows_in_a_text() -> None:
    assert repr(KEY) == str(KEY) == "DataKey(…)"
    shown = repr(Personal(MERCHANT, CUSTOMER, 1, ACME)) + refused(BLOB, version=2)
    for value in ("Jane", "example.org", "Main St", "Acme", "gold", BLOB):
        assert value not in shown


def test_the_refusal_says_which_customer_and_version() -> None:
    assert refused(BLOB, version=2) == f"the sealed values of {CUSTOMER} version 2 do not open"


def test_what_is_left_of_a_destroyed_key_opens_everything_as_nothing_and_seals_nothing() -> None:
    assert ErasedKey().open(MERCHANT, CUSTOMER, 1, BLOB) == Personal(MERCHANT, CUSTOMER, 1, {}, erased=True)
    assert "DataKey" in repr(ErasedKey())
    with pytest.raises(DataKeyMissing, match="is erased"):
        ErasedKey().seal(Personal(MERCHANT, CUSTOMER, 2, ACME))
