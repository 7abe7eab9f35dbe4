"""JSON from other services: bytes in, one plain object out, or the reason why not.

It takes I-JSON (RFC 7493) of limited depth: UTF-8, no duplicate names, no NUL and no lone surrogates in
strings. Numbers are read as 0: nobody reads any, and they may be of any length.
"""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn

MAX_DEPTH = 32  # objects and arrays inside each other, the outermost counted
SHOWN_LENGTH = 64  # code points of a sender's own text

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class NotReadable(Exception):
    """The bytes are not such JSON; `str(error)` is the reason, without any value of theirs."""


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises NotReadable."""
    try:
        value = _decode(body.decode())
    except UnicodeDecodeError as error:
        raise NotReadable(f"the body is not UTF-8 at byte {error.start}") from None
    except JSONDecodeError as error:
        raise NotReadable(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        _refuse_depth()
    if type(value) is not dict:
        raise NotReadable("the body must be a JSON object")
    # Only an escape can smuggle in NUL or a surrogate, and only brackets can nest: most bodies need no walk.
    if b"\\u" in body or body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _inspect(value, "", 1)
    return value


def shown(text: str, length: int = SHOWN_LENGTH) -> str:
    """A sender's own text, shortened and without what a terminal or a table could not show."""
    short = text if len(text) <= length else text[: length - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in short)


def _inspect(node: dict[str, Any] | list[Any], path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        _refuse_depth()
    for name, child in node.items() if type(node) is dict else enumerate(node):
        place = f"{path}.{name}" if path else str(name)
        if type(child) in (dict, list):
            _inspect(child, place, depth + 1)
        for text in (name, child):
            if type(text) is str and _UNSTORABLE.search(text):
                raise NotReadable(f"{shown(place)} has the character U+0000 or half of a surrogate pair")


def _refuse_depth() -> NoReturn:
    raise NotReadable(f"the body is nested too deeply; {MAX_DEPTH} levels are allowed")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise NotReadable(f'the body has the name "{shown(name)}" twice in one object')
            seen.add(name)
    return members


def _number(_: str) -> int:
    return 0


def _constant(name: str) -> NoReturn:
    raise NotReadable(f"the body is not JSON: {name} is not a JSON number")


_decode = JSONDecoder(
    object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_constant
).decode
