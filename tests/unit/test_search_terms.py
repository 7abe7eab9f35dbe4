"""What filters look for: words by their beginning whatever case and accents, everything else whole."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.search_terms import (
    NO_TERMS,
    SHORT_BY_INDEX,
    WORD_LENGTH,
    Terms,
    WantedTerms,
    fold,
    terms_of,
    wanted_terms,
)

M1, M2 = "mer_1", "mer_2"

texts = st.text(max_size=30)
words = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)


def somebody(**members: Any) -> Terms:
    nobody = {"email": "john@example.com", "name": "John Doe", "companyName": None, "metadata": None}
    return terms_of(M1, nobody | members)


def found(customer: Terms, **filters: Any) -> bool:
    return wanted_terms(M1, **filters).match(customer)


@pytest.mark.parametrize(
    "q",
    [
        "j",
        "jo",
        "John",
        "JOHN DOE",
        "doe john",
        "d j",
        "john@example.com",
        "exam",
        "com",
        "john john",
        " doe\t",
    ],
)
def test_each_word_is_the_beginning_of_a_word(q: str) -> None:
    assert found(somebody(), words=q)


@pytest.mark.parametrize(
    "q", ["ohn", "johnn", "john smith", "example.org", "johndoe", "", "!", "🙂", "\x00", "%", "_"]
)
def test_what_begins_no_word_finds_nobody(q: str) -> None:
    assert not found(somebody(), words=q)


@pytest.mark.parametrize(
    ("name", "q"),
    [
        ("Jörg Müller", "jorg mul"),
        ("Jorg Muller", "JÖRG MÜLLER"),
        ("Jo\u0308rg", "jör"),
        ("Straße 5", "STRASSE"),
        ("Ångström", "angst"),
        ("İstanbul", "ist"),
        ("ﬁne ﬂag", "fine flag"),
        ("\uff21\uff23\uff2d\uff25", "acme"),
        ("Σίσυφος", "ΣΙΣΥΦΟΣ"),
        ("한국어", "한국"),
        ("日本商事", "日本"),
        ("O'Hara-Smith", "hara smith"),
        ("№ 5", "no 5"),
    ],
)
def test_case_accents_and_forms_of_letters_make_no_difference(name: str, q: str) -> None:
    assert found(somebody(name=name), words=q)


def test_words_are_those_of_email_name_and_company_name_alone() -> None:
    customer = somebody(companyName="Acme Inc", phone="+123456", metadata={"tier": "gold"}, description="vip")
    assert found(customer, words="acme john example")
    assert not any(found(customer, words=q) for q in ("123456", "gold", "tier", "vip"))


def test_company_name_and_metadata_are_matched_exactly() -> None:
    customer = somebody(companyName="Acme Inc", metadata={"tier": "gold", "source": "web"})
    assert found(customer, company_name="Acme Inc", metadata={"tier": "gold", "source": "web"}, words="acme")
    assert not any(
        found(customer, company_name=name) for name in ("Acme", "acme inc", "Acme Inc ", "Acme\x00Inc")
    )
    assert not any(
        found(customer, metadata=metadata)
        for metadata in ({"tier": "Gold"}, {"Tier": "gold"}, {"tier": "web"}, {"tier": "gold", "x": "y"})
    )


def test_a_member_is_not_taken_for_another() -> None:
    assert not found(somebody(companyName="gold"), metadata={"companyName": "gold"})
    assert not found(somebody(metadata={"companyName": "gold"}), company_name="gold")
    assert not found(somebody(metadata={"a": "b\x00c"}), metadata={"a\x00b": "c", "a": "c"})


def test_merchants_have_no_term_in_common() -> None:
    other = terms_of(
        M2, {"email": "john@example.com", "name": "John", "companyName": "A", "metadata": {"a": "b"}}
    )
    same = terms_of(
        M1, {"email": "john@example.com", "name": "John", "companyName": "A", "metadata": {"a": "b"}}
    )
    assert not set(other.terms.split()) & set(same.terms.split())


def test_only_the_beginning_of_a_very_long_word_counts() -> None:
    customer = somebody(name="x" * (WORD_LENGTH + 5))
    assert max(map(len, customer.words.split())) == WORD_LENGTH
    assert found(customer, words="x" * (WORD_LENGTH + 1))
    assert not found(somebody(name="x" * (WORD_LENGTH - 1)), words="x" * WORD_LENGTH)


def test_nothing_wanted_is_found_in_everybody_and_nobody_has_what_a_tombstone_lacks() -> None:
    assert WantedTerms().query() is None
    assert wanted_terms(M1).query() is None
    assert wanted_terms(M1).match(somebody())
    assert not found(NO_TERMS, words="a")


def test_a_word_that_follows_from_another_is_not_asked() -> None:
    assert wanted_terms(M1, words="jo john JOH smith").words == ("smith", "john")


def test_the_index_is_asked_for_few_short_words_and_for_none_where_others_are_enough() -> None:
    def short(q: str) -> int:
        return (wanted_terms(M1, words=q).query() or "").count(":*")

    assert short("a b c d e f g h") == SHORT_BY_INDEX
    assert short("smith zz") == 1
    assert short("john smith zz com") == 0
    assert ":*" not in (wanted_terms(M1, words="zz", company_name="Acme").query() or "")


@given(st.text(), words)
def test_whoever_has_a_word_is_found_by_every_beginning_of_it(around: str, word: str) -> None:
    customer = somebody(name=f"{around} {word} {around}")
    assert all(
        found(customer, words=word[:length]) for length in range(1, len(word) + 1) if fold(word[:length])
    )


@given(st.text())
def test_ascii_is_folded_as_everything_else(text: str) -> None:
    ascii_only = "".join(character for character in text if character.isascii())
    assert fold(ascii_only + "é") == fold(ascii_only) + "e"


@given(texts, texts, texts, texts)
def test_whatever_is_asked_a_query_has_nothing_to_escape(company: str, key: str, value: str, q: str) -> None:
    wanted = wanted_terms(M1, company_name=company, metadata={key: value}, words=q)
    part = r"'(?:[\w+/]+|[\w+/]{8}:[^\W_]+)'(?::\*)?"
    assert re.fullmatch(rf"{part}(?: & {part})*", wanted.query() or "")
    assert not any(set(r"%_\\") & set(pattern[2:-1]) for pattern in wanted.patterns())
