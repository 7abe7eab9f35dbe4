"""Idempotency-Key: what identifies a request that a client may send again.

In: the header and the parts of the request. Out: two digests: the key's, under which the outcome is stored
(the key's own text never is), and the request's fingerprint, which tells a retry from a key used twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256

from service.errors import InvalidRequest
from service.json_gate import canonical

MAX_KEY_LENGTH = 255  # characters, without the quotes

PATTERN = r'^(?:[!#-~](?:[ -~]{0,253}[!-~])?|"(?:[ !#-\[\]-~]|\\["\\]){1,255}")$'
"""What the header may be, for JSON schemas."""

_HEADER = "Idempotency-Key"
_PRINTABLE = re.compile(r"[\x20-\x7e]+")
# An RFC 8941 §3.3.3 string, which is how the header's draft writes a key.
_QUOTED = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_ESCAPE = re.compile(r'\\(["\\])')


def key_text(header: str) -> str:
    """The key itself: `"k"` and `k` are one; InvalidRequest unless it is short, printable ASCII."""
    text = header.strip(" \t")
    if text.startswith('"'):
        quoted = _QUOTED.fullmatch(text)
        if not quoted:
            raise InvalidRequest(f'{_HEADER} begins with " but is not a quoted string', param=_HEADER)
        text = _ESCAPE.sub(r"\1", quoted[1])
    if len(text) > MAX_KEY_LENGTH or not _PRINTABLE.fullmatch(text):
        raise InvalidRequest(
            f"{_HEADER} takes 1 to {MAX_KEY_LENGTH} printable ASCII characters", param=_HEADER
        )
    return text


def key_digest(text: str) -> bytes:
    """The SHA-256 under which a key's outcome is stored."""
    return sha256(text.encode()).digest()


def fingerprint(method: str, path: str, query: Iterable[tuple[str, str]], body: object) -> bytes:
    """The SHA-256 of a request; the query's pairs may come in any order, `body` is None without one."""
    return sha256(canonical([method, path, sorted(query), body])).digest()
