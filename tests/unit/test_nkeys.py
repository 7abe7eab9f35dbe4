"""Nkeys: what NATS's own library makes of the same bytes, and what is refused without being shown."""

from __future__ import annotations

from base64 import b32decode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import example, given
from hypothesis import strategies as st

from events.stream.nkeys import NotASeed, is_public_key, make_seed, public_key, sign

RANDOM = st.binary(min_size=32, max_size=32)


@given(random=RANDOM, nonce=st.binary(max_size=40))
def test_what_a_seed_signs_its_public_key_verifies(random: bytes, nonce: bytes) -> None:
    seed = make_seed(random)
    public = public_key(f" {seed}\n")
    assert (len(seed), seed[:2], len(public), public[0]) == (58, "SU", 56, "U")
    assert is_public_key(public)
    raw = Ed25519PublicKey.from_public_bytes(_raw(public))
    raw.verify(sign(seed, nonce), nonce)


def _raw(public: str) -> bytes:
    return b32decode(public)[1:33]


@pytest.mark.parametrize("text", ["", "SUA", "hunter2", "S" * 58, "SUÄ", "A" * 56])
def test_what_is_no_seed_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(NotASeed) as refused:
        public_key(text)
    assert text == "" or text not in str(refused.value).split()
    assert not is_public_key(text)


@given(random=RANDOM, place=st.integers(min_value=0, max_value=57))
@example(random=bytes([7]) * 32, place=57)  # of the last character two bits say nothing
def test_one_wrong_character_shows(random: bytes, place: int) -> None:
    seed = make_seed(random)
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".replace(seed[place], ""):
        with pytest.raises(NotASeed):
            public_key(seed[:place] + other + seed[place + 1 :])


@given(random=RANDOM)
def test_a_seed_is_no_public_key_nor_the_other_way_round(random: bytes) -> None:
    seed = make_seed(random)
    assert not is_public_key(seed)
    with pytest.raises(NotASeed, match="not the seed of a user"):
        public_key(public_key(seed))
