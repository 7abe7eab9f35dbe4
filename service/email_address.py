"""Email addresses: is this one, and which others are the same mailbox as far as uniqueness goes.

Text in; out comes the trimmed address as typed (`check_email`) or the key on which it is unique per merchant
(`email_key`). email-validator is the judge of the syntax; no DNS is asked. Plain ASCII addresses skip most of
its work: their domain's verdict is remembered, and a test proves that the short cut never disagrees.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

MAX_EMAIL_LENGTH = 254  # code points; email-validator allows as many bytes

_DOMAINS_REMEMBERED = 4096
_PLAIN_LOCAL_PART = re.compile(r"[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]+(?:\.[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]+)*")


def check_email(text: str) -> str:
    """`text` without surrounding white space, otherwise as typed; ValueError says what is wrong with it.

    Accepts what email-validator accepts by its defaults: internationalised addresses, but no quoted local
    parts, no IP literals, no display names, and none of the special-use domains (`localhost`, `test`, …;
    the `example` domains are no part of those).
    """
    email = text.strip()
    if len(email) > MAX_EMAIL_LENGTH:
        raise ValueError(f"it has {len(email)} characters, at most {MAX_EMAIL_LENGTH} are allowed")
    if not _is_plain(email):
        try:
            validate_email(email, check_deliverability=False)
        except EmailNotValidError as error:
            raise ValueError(str(error)) from None
    return email


def email_key(email: str) -> str:
    """The folded key of an address from `check_email`: local part NFKC and case-folded, domain's A-label.

    Addresses that differ only in case, Unicode form or the domain's script have one key. Folding a key again
    changes nothing.
    """
    local_part, _, domain = email.rpartition("@")
    return f"{_fold(local_part)}@{_folded_domain(domain)}"


def lookup_key(text: str) -> str:
    """The key to search for what a client typed; when that is no email address, empty: no customer's key."""
    try:
        return email_key(check_email(text))
    except ValueError:
        return ""


def _is_plain(email: str) -> bool:
    """Whether the address is valid by a look at its parts: in ASCII, no form of it is longer than itself."""
    local_part, _, domain = email.partition("@")
    if not (domain.isascii() and _PLAIN_LOCAL_PART.fullmatch(local_part)):
        return False
    try:
        return "xn--" not in _ascii_domain(domain)
    except EmailNotValidError:
        return False


def _folded_domain(domain: str) -> str:
    """The A-label, also of a domain that was taken once and that a later email-validator would refuse."""
    try:
        return _ascii_domain(domain)
    except EmailNotValidError:
        return domain.lower() if domain.isascii() else domain.encode("idna").decode().lower()


@lru_cache(maxsize=_DOMAINS_REMEMBERED)
def _ascii_domain(domain: str) -> str:
    return validate_email(f"a@{domain}", check_deliverability=False).ascii_domain


def _fold(local_part: str) -> str:
    if local_part.isascii():
        return local_part.lower()
    folded = unicodedata.normalize("NFKC", local_part)
    # Case folding can undo the normal form and the other way round: go on until both have nothing to do.
    while (again := unicodedata.normalize("NFKC", folded.casefold())) != folded:
        folded = again
    return folded
