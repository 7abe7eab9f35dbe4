"""Master keys: wrapping, rotation, derived keys, and texts that are never quoted."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest

from events.errors import MasterKeyMismatch
from events.master_keys import MasterKeys
from events.sealing import DataKey
from tests.support.cases import CUSTOMER, MERCHANT

ONE, TWO = bytes(range(32)), bytes(range(32, 64))
KEYS = MasterKeys({1: ONE})
DATA_KEY = DataKey(bytes(range(64, 96)))
OTHER_CUSTOMER = "cus_01jd4q8w9zexampxexampxe009"
OTHER_MERCHANT = "mer_01jd4q8w9zexampxexampxe009"


def line(version: object, key: bytes) -> str:
    return f"{version}:{urlsafe_b64encode(key).decode()}"


def test_a_wrapped_data_key_is_unwrapped_for_its_customer() -> None:
    wrapped = KEYS.wrap(DATA_KEY, MERCHANT, CUSTOMER)
    assert KEYS.unwrap(wrapped, 1, MERCHANT, CUSTOMER).raw == DATA_KEY.raw
    assert DATA_KEY.raw not in wrapped


def test_the_same_data_key_is_wrapped_differently_each_time() -> None:
    assert len({KEYS.wrap(DATA_KEY, MERCHANT, CUSTOMER) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("merchant_id", "customer_id"), [(MERCHANT, OTHER_CUSTOMER), (OTHER_MERCHANT, CUSTOMER)]
)
def test_a_wrapped_data_key_moved_to_another_row_does_not_open(merchant_id: str, customer_id: str) -> None:
    wrapped = KEYS.wrap(DATA_KEY, MERCHANT, CUSTOMER)
    with pytest.raises(MasterKeyMismatch):
        KEYS.unwrap(wrapped, 1, merchant_id, customer_id)


def test_another_master_key_of_the_same_version_does_not_open() -> None:
    wrapped = KEYS.wrap(DATA_KEY, MERCHANT, CUSTOMER)
    with pytest.raises(MasterKeyMismatch, match="version 1 does not open"):
        MasterKeys({1: TWO}).unwrap(wrapped, 1, MERCHANT, CUSTOMER)


@pytest.mark.parametrize("length", [0, 7, 12, 40, 59])
def test_a_wrapped_data_key_cut_short_does_not_open(length: int) -> None:
    wrapped = KEYS.wrap(DATA_KEY, MERCHANT, CUSTOMER)
    with pytest.raises(MasterKeyMismatch):
        KEYS.unwrap(wrapped[:length], 1, MERCHANT, CUSTOMER)


def test_after_a_rotation_the_newest_version_wraps_and_both_open() -> None:
    both = MasterKeys.from_text(f"{line(1, ONE)}\n{line(2, TWO)}\n")
    assert (both.versions, both.current) == ([1, 2], 2)
    old = KEYS.wrap(DATA_KEY, MERCHANT, CUSTOMER)
    new = both.wrap(DATA_KEY, MERCHANT, CUSTOMER)
    assert both.unwrap(old, 1, MERCHANT, CUSTOMER).raw == DATA_KEY.raw
    assert both.unwrap(new, 2, MERCHANT, CUSTOMER).raw == DATA_KEY.raw


def test_the_order_of_the_lines_does_not_matter() -> None:
    assert MasterKeys.from_text(f"{line(10, TWO)}\n{line(9, ONE)}").current == 10


def test_a_version_that_is_not_among_the_keys_is_told() -> None:
    with pytest.raises(MasterKeyMismatch, match="version 2"):
        KEYS.unwrap(KEYS.wrap(DATA_KEY, MERCHANT, CUSTOMER), 2, MERCHANT, CUSTOMER)
    with pytest.raises(MasterKeyMismatch, match="version 2"):
        KEYS.check_value(2)
    with pytest.raises(MasterKeyMismatch, match="version 2"):
        KEYS.derived(2, "anything")


def test_a_generated_text_is_one_line_that_is_read_back() -> None:
    text = MasterKeys.generate_text()
    assert text.startswith("1:")
    assert text.endswith("\n")
    assert MasterKeys.from_text(text).versions == [1]
    assert MasterKeys.from_text(MasterKeys.generate_text(3)).versions == [3]
    assert MasterKeys.generate_text() != MasterKeys.generate_text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "SECRETSECRET",
        "1:SECRET",
        "SECRET:" + line(1, ONE)[2:],
        line(1, b"SECRET"),
        line(1, ONE + b"SECRET"),
        line(0, ONE),
        line(-1, ONE),
        line(1, ONE)[:-2],
        line(1, ONE).replace(":", ":!SECRET!"),
        f"{line(1, ONE)}\n1:SECRETé",
        f"{line(1, ONE)}\n{line(1, TWO)}",
    ],
)
def test_a_malformed_text_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="master key") as refused:
        MasterKeys.from_text(text)
    shown = f"{refused.value}{refused.value.__cause__ or ''}"
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    for part in ("SECRET", line(1, ONE)[2:20], line(1, TWO)[2:20]):
        assert part not in shown


def test_derived_keys_differ_by_purpose_and_by_version() -> None:
    both = MasterKeys({1: ONE, 2: TWO})
    derived = {both.derived(version, purpose) for version in (1, 2) for purpose in ("a", "b")}
    derived |= {both.check_value(1), both.check_value(2), ONE, TWO}
    assert len(derived) == 8


def test_a_derived_key_is_one_block_of_hkdf_expand() -> None:
    assert KEYS.derived(1, "api keys") == hmac.new(ONE, b"api keys\x01", sha256).digest()


def test_a_derived_key_is_the_same_in_every_process() -> None:
    assert KEYS.check_value(1).hex() == hmac.new(ONE, b"customers master key check\x01", sha256).hexdigest()


def test_no_key_shows_in_a_text() -> None:
    assert repr(MasterKeys({2: TWO, 1: ONE})) == "MasterKeys(versions=[1, 2])"


def test_base64url_is_read_with_and_without_its_padding() -> None:
    padded = line(1, ONE)
    assert MasterKeys.from_text(padded.rstrip("=")).check_value(1) == MasterKeys.from_text(
        padded
    ).check_value(1)
