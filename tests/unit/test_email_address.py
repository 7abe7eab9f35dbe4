"""Email addresses: the syntax is email-validator's, the key folds every spelling of a mailbox into one."""

from __future__ import annotations

import unicodedata

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import assume, given
from hypothesis import strategies as st

from service.email_address import check_email, email_key, lookup_key

LABEL = "a" * 63
TAKEN = """
    john@example.com j@x.co JOHN@EXAMPLE.COM a+b@example.org o'neill@example.com info@example.com
    !#$%&'*+-/=?^_`{|}~@example.com a.b.c@d.e.f.example.com 1@1.example.com a@x.example
    a@xn--bcher-kva.example a@XN--BCHER-KVA.example é@example.com a@bücher.example a@faß.de
    用户@例え.テスト a@foo。example.com
"""
REFUSED = """
    @ a a@ @b a@b a@@example.com a@b@example.com a@example.com@ .a@example.com a.@example.com
    a..b@example.com "a"@example.com "@example.com a\\b@example.com a,b@example.com a;b@example.com
    a(b)@example.com <a@example.com> a<b@example.com a>b@example.com a@-example.com a@example-.com
    a@ex_ample.com a@example..com a@.example.com a@example.com. a@ab--cd.example a@xn--a.com a@xn--.com
    a@127.0.0.1 a@[127.0.0.1] a@[IPv6:::1] a@example.123 a@example.c0 a@localhost a@x.localhost
    a@x.local a@x.test a@x.invalid a@x.onion a@x.arpa
"""
NASTY = [
    "",
    "a b@example.com",
    '"a b"@example.com',
    "A <a@example.com>",
    "a\x00b@example.com",
    "a\nb@example.com",
    f"a@{LABEL}.com",
    f"a@{LABEL}a.com",
    f"{'a' * 64}@example.com",
    f"{'a' * 65}@example.com",
    f"{'a' * 242}@example.com",
    f"{'a' * 243}@example.com",
    f"a@{'.'.join([LABEL] * 3)}.{'a' * 56}.com",
    f"a@{'.'.join([LABEL] * 3)}.{'a' * 57}.com",
    "a\uff20b@example.com",
    "a\uff20example.com",
    "a@\uff45xample.com",
    "a\u0301@example.com",
    "\u0301a@example.com",
    "a@\u0301example.com",
    "a<\u0338@example.com",
    "a\u202eb@example.com",
    "a\u00a0b@example.com",
    "a@ex\u00adample.com",
    "\ud800@example.com",
    "Kelvin\u212a@example.com",
    "a@\u212aelvin.example",
    "İ@example.com",
    "ﬁ@example.com",
]

atoms = st.text("ab.Z0+-_'!#@\" (\\é", min_size=0, max_size=8)
labels = st.text("abxn-.Z09é_ß", min_size=1, max_size=8)
likely = st.builds(
    lambda local, domain, top: f"{local}@{domain}.{top}",
    atoms,
    labels,
    st.sampled_from(["com", "COM", "example", "test", "c0m", "123", "local", "xn--p1ai", "рф"]),
)
unicode_local = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
international = st.builds(lambda local: f"{local}@bücher.example", unicode_local)


def library_accepts(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def accepted(text: str) -> bool:
    try:
        check_email(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("text", TAKEN.split())
def test_internationalised_and_unusual_addresses_are_taken(text: str) -> None:
    assert check_email(text) == text
    assert library_accepts(text)


@pytest.mark.parametrize("text", REFUSED.split())
def test_what_the_library_refuses_is_refused(text: str) -> None:
    assert not accepted(text)
    assert not library_accepts(text)


@pytest.mark.parametrize("text", NASTY)
def test_the_short_cut_agrees_with_the_library_on_every_nasty_example(text: str) -> None:
    assert accepted(text) == library_accepts(text)


@given(likely | st.emails() | international | st.text(max_size=20))
def test_the_short_cut_agrees_with_the_library_on_any_text(text: str) -> None:
    assert accepted(text) == library_accepts(text.strip())


@given(st.integers(1, 260), st.lists(st.integers(1, 65), min_size=1, max_size=5))
def test_the_short_cut_agrees_with_the_library_on_every_length(local: int, domain: list[int]) -> None:
    text = "a" * local + "@" + ".".join("b" * length for length in domain) + ".com"
    assert accepted(text) == library_accepts(text)


def test_an_address_is_trimmed_and_otherwise_kept_as_typed() -> None:
    assert check_email("  John.Doe+x@Example.COM\n") == "John.Doe+x@Example.COM"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("john", "@-sign"),
        ("john@example", "period"),
        ("john@x.test", "special-use"),
        ('"john"@example.com', "Quoting"),
        ("a" * 300 + "@example.com", "312 characters, at most 254"),
    ],
)
def test_the_reason_of_a_refusal_is_plain(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_email(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("john@example.com", "JOHN@Example.COM"),
        (
            "john@example.com",
            "\uff2a\uff2f\uff28\uff2e@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.\uff43\uff4f\uff4d",
        ),
        ("jos\u00e9@example.com", "jose\u0301@EXAMPLE.com"),
        ("straße@example.com", "STRASSE@example.com"),
        ("a@bücher.example", "a@XN--BCHER-KVA.example"),
        ("a@bücher.example", "A@BÜCHER.EXAMPLE"),
        ("a@foo.example.com", "a@foo。example.com"),
        ("ﬁn@example.com", "FIN@example.com"),
        ("K@example.com", "\u212a@example.com"),
    ],
)
def test_every_spelling_of_a_mailbox_has_one_key(one: str, other: str) -> None:
    assert email_key(check_email(one)) == email_key(check_email(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("john@example.com", "john@example.org"),
        ("john@example.com", "johnx@example.com"),
        ("j.ohn@example.com", "john@example.com"),
        ("john+a@example.com", "john@example.com"),
        ("a@faß.de", "a@fass.de"),
    ],
)
def test_different_mailboxes_have_different_keys(one: str, other: str) -> None:
    assert email_key(check_email(one)) != email_key(check_email(other))


@given(international | likely | st.emails())
def test_every_accepted_address_has_a_key_and_folding_it_again_changes_nothing(text: str) -> None:
    assume(accepted(text))
    key = email_key(check_email(text))
    assert email_key(key) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        local_part, _, domain = check_email(text).rpartition("@")
        assert email_key(unicodedata.normalize(form, local_part) + "@" + domain) == key


@given(st.emails())
def test_case_never_makes_another_key(text: str) -> None:
    assume(accepted(text))
    assert email_key(text.upper()) == email_key(text.lower()) == email_key(text)


def test_no_single_character_escapes_the_fold() -> None:
    for code_point in range(0x80, 0x3100):
        key = email_key(f"a{chr(code_point)}@example.com")
        assert email_key(key) == key


@pytest.mark.parametrize(
    "text", ["", "*", "%", "john", "a\uff20example.com", "a\x00@example.com", "\ud800@example.com"]
)
def test_what_is_no_address_is_looked_up_as_nobodys(text: str) -> None:
    assert lookup_key(text) == ""


def test_an_address_is_looked_up_by_its_key() -> None:
    assert lookup_key(" John@Example.com ") == "john@example.com"


@pytest.mark.parametrize(
    ("email", "key"), [("Jo@shop.Test", "jo@shop.test"), ("jo@bücher.invalid", "jo@xn--bcher-kva.invalid")]
)
def test_an_address_that_was_taken_once_has_a_key_however_its_domain_is_judged_later(
    email: str, key: str
) -> None:
    with pytest.raises(ValueError, match="special-use"):
        check_email(email)
    assert email_key(email) == key
