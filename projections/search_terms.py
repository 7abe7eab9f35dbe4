"""What filters look for: the terms that a customer has, and those that a list wants.

In: members of a customer, or the values of filters. Out: terms, which the read model keeps in one indexed
column (a tsvector of ready lexemes: no parser or dictionary of PostgreSQL sees them), and the tsquery over
them. The same terms decide here, in Python, where a customer is read alone.

There are two kinds. `companyName` and each pair of `metadata` are matched whole: they become a digest of
merchant, member and value. The words of email, name and `companyName` are matched by their beginning: they
stand as they are, behind the merchant's mark. Merchants share one index, and none finds a term of another.

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
WORDS_BY_INDEX = 3
"""Words of a search that the index is asked for: each costs the more, the more customers have it."""

_WORD = re.compile(r"[^\W_]+")
_DIGEST_BYTES = 15  # 20 characters, without padding
_MARK_BYTES = 6  # 8 characters
_NOBODY = "nobody"
"""No customer's term: neither a digest nor a marked word."""


def terms_of(merchant_id: str, customer: Mapping[str, Any]) -> str:
    """The terms of a customer, given as the contract's object, with a blank between each."""
    company_name, metadata = customer["companyName"], customer["metadata"]
    prefix = _mark(merchant_id)
    words = _words(f"{customer['email']} {customer['name']} {company_name or ''}")
    terms = [prefix + word for word in words]
    if company_name is not None:
        terms.append(_digest(merchant_id, "companyName", "", company_name))
    if metadata is not None:
        terms += [_digest(merchant_id, "metadata", key, value) for key, value in metadata.items()]
    return " ".join(terms)


class WantedTerms(NamedTuple):
    """All that a customer must have: these terms, and for each of these beginnings a term that begins so."""

    whole: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()

    def match(self, terms: str) -> bool:
        """Whether a customer with these terms (as `terms_of` gives them) has all of it."""
        have = terms.split(" ")
        return set(self.whole) <= set(have) and all(
            any(term.startswith(beginning) for term in have) for beginning in self.beginnings
        )

    def query(self) -> str | None:
        """The same as a tsquery; None where nothing is wanted."""
        return _tsquery(self.whole, self.beginnings)

    def index_query(self) -> str | None:
        """What the index is asked for: it finds all who match, and others, whose rows tell by `query`.

        A common beginning is dear (the index reads every customer that has it): only the longest are asked.
        """
        return _tsquery(self.whole, self.beginnings[:WORDS_BY_INDEX])


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
    beginnings = _distinct(_words(words or ""))
    if words is not None and not beginnings:
        whole.append(_NOBODY)
    prefix = _mark(merchant_id)
    return WantedTerms(tuple(whole), tuple(prefix + word for word in beginnings))


def _tsquery(whole: Iterable[str], beginnings: Iterable[str]) -> str | None:
    # Nothing to escape: digests are base64, words are letters and digits.
    parts = [f"'{term}'" for term in whole] + [f"'{term}':*" for term in beginnings]
    return " & ".join(parts) or None


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
    """What words of this merchant begin with; the row's own merchant decides, should two have one mark."""
    digest = blake2b(merchant_id.encode(), digest_size=_MARK_BYTES).digest()
    return b2a_base64(digest, newline=False).decode() + ":"
