"""Idempotency-Key: what identifies a request that a client may send again.

In: the header and the parts of the request. Out: two digests: the key's, under which the outcome is stored
(the key's own text never is), and the request's fingerprint, which tells a retry from a key used twice. Both
are keyed, since they outlive an erasure: whoever guesses what a request said cannot see that it is right.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable

from events.master_keys import MasterKeys
from service.errors import InvalidRequest
from service.http.json_gate import canonical

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


class Digests:
    """HMAC-SHA256 under keys derived from the master key's lowest version: a rotation changes nothing."""

    def __init__(self, master_keys: MasterKeys) -> None:
        version = master_keys.versions[0]
        self._for_keys = master_keys.derived(version, "customers idempotency keys")
        self._for_requests = master_keys.derived(version, "customers request fingerprints")

    def of_key(self, text: str) -> bytes:
        """What a key's outcome is stored under."""
        return hmac.digest(self._for_keys, text.encode(), "sha256")

    def of_request(self, method: str, path: str, query: Iterable[tuple[str, str]], body: object) -> bytes:
        """A request's fingerprint; the query's pairs may come in any order, `body` is None without one."""
        return hmac.digest(self._for_requests, canonical([method, path, sorted(query), body]), "sha256")
