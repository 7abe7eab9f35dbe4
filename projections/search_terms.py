"""What filters look for: the terms that a customer has, and those that a list wants.

In: members of a customer, or the values of filters. Out: `Terms`, which the read model keeps with the
customer, and `WantedTerms`, what a statement asks for. The same two decide here, in Python, where a
customer is read alone.

`companyName` and each pair of `metadata` are matched whole: their term is a digest of merchant, member and
value. The words of email, name and `companyName` are matched by their beginning: their term is their first
letters, and the words stand beside. So one index, a tsvector of ready lexemes, which no parser or
dictionary of PostgreSQL sees, serves both. Asked for a term as such it goes from customer to customer;
beginnings shorter than a term's are dearer, as it gathers everybody with any of them first.

A word is a run of letters and digits after folding: NFKD, case-folded, without accents (combining marks).
So `jor` finds Jörg, and `strasse` finds Straße.
"""

from __future__ import annotations

import re
import unicodedata
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

WORD_LENGTH = 64  # code points of a word that count, stored or wanted
TERM_LENGTH = 4  # code points of a word that the index knows
ENOUGH = 2  # terms to find few customers by; one company's name is enough
SHORT_BY_INDEX = 3
"""Words shorter than a term that the index is asked for; none where there are enough terms."""

_WORD = re.compile(r"[^\W_]+")
_DIGEST_BYTES = 15  # 20 characters, without padding
_MARK_BYTES = 6  # 8 characters
_NOBODY = "nobody"
"""No customer's term: neither a digest nor marked as a merchant's."""


class Terms(NamedTuple):
    """What a customer is found by. `terms` have a blank between each, `words` one before each."""

    terms: str
    words: str


NO_TERMS = Terms("", "")
"""Those of a tombstone: nobody finds it by its values."""


def terms_of(merchant_id: str, customer: Mapping[str, Any]) -> Terms:
    """The terms of a customer, given as the contract's object."""
    company_name, metadata = customer["companyName"], customer["metadata"]
    mark = _mark(merchant_id)
    words = _words(f"{customer['email']} {customer['name']} {company_name or ''}")
    terms = [mark + word[:TERM_LENGTH] for word in words]
    if company_name is not None:
        terms.append(_digest(merchant_id, "companyName", "", company_name))
    if metadata is not None:
        terms += [_digest(merchant_id, "metadata", key, value) for key, value in metadata.items()]
    return Terms(" ".join(terms), " ".join(("", *words)))


class WantedTerms(NamedTuple):
    """All that a customer must have: these terms, and for each of these words one that begins so.

    Words come the longest first.
    """

    whole: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    mark: str = ""
    """What the terms of words begin with."""
    few: bool = False
    """Whether the terms let expect few customers."""

    def match(self, customer: Terms) -> bool:
        """Whether a customer has all of it."""
        have = customer.terms.split(" ")
        return all(term in have for term in self.whole) and all(
            f" {word}" in customer.words for word in self.words
        )

    def query(self) -> str | None:
        """A tsquery that finds all who match, and some who do not: of words it asks the first letters."""
        long = [word for word in self.words if len(word) >= TERM_LENGTH]
        short = self.words[len(long) :]
        # Nothing to escape: digests and marks are base64, words are letters and digits.
        parts = [f"'{term}'" for term in (*self.whole, *(self.mark + word[:TERM_LENGTH] for word in long))]
        if len(parts) < ENOUGH and not self.few:
            parts += [f"'{self.mark}{word}':*" for word in short[:SHORT_BY_INDEX]]
        return " & ".join(parts) or None

    def patterns(self) -> list[str]:
        """What the words of all who match are LIKE."""
        return [f"% {word}%" for word in self.words]


def wanted_terms(
    merchant_id: str,
    *,
    company_name: str | None = None,
    metadata: Mapping[str, str] | None = None,
    words: str | None = None,
) -> WantedTerms:
    """What filters want, any text being allowed; `words` without a letter or digit are nobody's."""
    whole = [_digest(merchant_id, "metadata", key, value) for key, value in (metadata or {}).items()]
    if company_name is not None:
        whole.append(_digest(merchant_id, "companyName", "", company_name))
    distinct = _distinct(_words(words or ""))
    if words is not None and not distinct:
        whole.append(_NOBODY)
    return WantedTerms(tuple(whole), tuple(distinct), _mark(merchant_id), company_name is not None)


def _distinct(words: Iterable[str]) -> list[str]:
    """Those that do not follow from another (as `jo` from `john`), the longest first."""
    longest_first = sorted(set(words), key=lambda word: (-len(word), word))
    return [
        word
        for number, word in enumerate(longest_first)
        if not any(longer.startswith(word) for longer in longest_first[:number])
    ]


def _words(text: str) -> list[str]:
    return [word[:WORD_LENGTH] for word in _WORD.findall(fold(text))]


def fold(text: str) -> str:
    """The text without case, accents and compatibility forms, character by character."""
    if text.isascii():
        return text.lower()
    # Case folding can bring back what NFKD takes apart.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(character for character in folded if not unicodedata.category(character).startswith("M"))


def _digest(merchant_id: str, member: str, key: str, value: str) -> str:
    # No stored value has a NUL: two different ones cannot come out the same.
    said = f"{merchant_id}\0{member}\0{key}\0{value}".encode(errors="surrogatepass")
    return b2a_base64(blake2b(said, digest_size=_DIGEST_BYTES).digest(), newline=False).decode()


@lru_cache(maxsize=4096)
def _mark(merchant_id: str) -> str:
    """What tells the merchant's words from others'; should two have one mark, their rows tell them apart."""
    digest = blake2b(merchant_id.encode(), digest_size=_MARK_BYTES).digest()
    return b2a_base64(digest, newline=False).decode() + ":"
