"""The strict gate that every JSON body passes: bytes in, one plain object out, or a refusal.

It takes I-JSON (RFC 7493) of limited depth: UTF-8 without BOM, no duplicate names, no NUL and no lone
surrogates in strings, no numbers that lose precision or cost time. `canonical` is the way back, for
fingerprints: equal values give equal bytes.
"""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder
from math import isfinite
from typing import Any, NoReturn

import orjson

from service.api_error import shown
from service.errors import InvalidJson, InvalidRequest

MAX_DEPTH = 8  # objects and arrays inside each other, the outermost counted
MAX_PLAIN_OBJECTS = 3  # a customer with its address and its metadata
MAX_DIGITS = 18  # of an integer: fits 64 bits, and parsing stays linear

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_KINDS = {str: "a string", list: "an array", int: "a number", float: "a number", bool: "a boolean"}


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`.

    Raises InvalidJson for anything that is not I-JSON or is nested deeper than `MAX_DEPTH`, and
    InvalidRequest for a top level that is not an object.
    """
    return _parse_plain(body) or _parse_strictly(body)


def _parse_plain(body: bytes) -> dict[str, Any] | None:
    """The object, if it is of the plainest kind, as nearly all are: strings without escapes in flat objects.

    Nothing hides in those but a name that comes twice, and then the body has more quotation marks than what
    was read from it.
    """
    if b"\\" in body or body.count(b"{") > MAX_PLAIN_OBJECTS:
        return None
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(value) is not dict or body.count(b'"') != _quotation_marks(value):
        return None
    return value


def _quotation_marks(members: dict[str, Any]) -> int:
    """How many an object was written with; -1, which no body has, if it is not of the plainest kind."""
    count = 2 * len(members)
    for value in members.values():
        kind = type(value)
        if kind is str:
            count += 2
        elif kind is dict:
            inner = _quotation_marks(value)
            if inner < 0:
                return -1
            count += inner
        elif value is not None:
            return -1
    return count


def _parse_strictly(body: bytes) -> dict[str, Any]:
    try:
        value = _decode(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidJson(f"The body must be UTF-8; it is not at byte {error.start}") from None
    except JSONDecodeError as error:
        raise InvalidJson(_syntax_message(body, error)) from None
    except RecursionError:
        _refuse_depth()
    if type(value) is not dict:
        kind = _KINDS.get(type(value), "null")
        raise InvalidRequest(f"The body must be a JSON object, it is {kind}")
    # Only an escape can smuggle in NUL or a surrogate, and only brackets can nest: most bodies need no walk.
    if b"\\u" in body or body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _inspect(value)
    return value


def canonical(value: object) -> bytes:
    """`value` as compact UTF-8 JSON with sorted names: equal for equal values that passed the gate."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _syntax_message(body: bytes, error: JSONDecodeError) -> str:
    if not body.strip():
        return "The body is empty; send a JSON object"
    if body.startswith(b"\xef\xbb\xbf"):
        return "The body must not begin with a byte order mark"
    return f"The body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})"


def _inspect(top: dict[str, Any]) -> None:
    level: list[Any] = [top]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for node in level:
            children = node.values() if type(node) is dict else node
            deeper.extend(child for child in children if type(child) in (dict, list))
            _refuse_unstorable(child for child in children if type(child) is str)
            if type(node) is dict:
                _refuse_unstorable(node)
        if not deeper:
            return
        level = deeper
    _refuse_depth()


def _refuse_unstorable(strings: Any) -> None:
    for text in strings:
        found = _UNSTORABLE.search(text)
        if found:
            what = "the character U+0000" if found[0] == "\x00" else "half of a surrogate pair"
            raise InvalidJson(f"A string in the body has {what}, which cannot be stored")


def _refuse_depth() -> NoReturn:
    raise InvalidJson(f"The body is nested too deeply; {MAX_DEPTH} levels are allowed")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InvalidJson(f'The body has the name "{shown(name)}" twice in one object')
            seen.add(name)
    return members


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise InvalidJson(f"A number in the body has more than {MAX_DIGITS} digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise InvalidJson("A number in the body is too large")
    return number


def _constant(name: str) -> NoReturn:
    raise InvalidJson(f"The body is not valid JSON: {name} is not a JSON number")


_decode = JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
).decode
