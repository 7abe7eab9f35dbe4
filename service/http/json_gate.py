"""The strict gate that every JSON body passes: bytes in, one plain object out, or a refusal.

It takes I-JSON (RFC 7493) of limited depth: UTF-8 without BOM, no duplicate names, no NUL and no lone
surrogates in strings, no numbers that lose precision or cost time. `canonical` is the way back, for
fingerprints: equal values give equal bytes.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import orjson

from events.strict_json import SMALL, NotAnObject, NotReadable, StrictReader, Unfit
from service.errors import InvalidJson, InvalidRequest

MAX_DEPTH = 8  # objects and arrays inside each other, the outermost counted
MAX_PLAIN_OBJECTS = 3  # a customer with its address and its metadata
MAX_DIGITS = 18  # of an integer: fits 64 bits, and parsing stays linear


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
    if b"\\" in body or body.count(b"{") > MAX_PLAIN_OBJECTS or len(body) > SMALL:
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
        return _READER.read(body)
    except NotAnObject as error:
        raise InvalidRequest(_sentence(error)) from None
    except NotReadable as error:
        raise InvalidJson(_sentence(error), param=error.member or None) from None


def canonical(value: object) -> bytes:
    """`value` as compact UTF-8 JSON with sorted names: equal for equal values that passed the gate."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _sentence(error: NotReadable) -> str:
    reason = str(error)
    return reason[0].upper() + reason[1:] if reason.startswith("the body") else reason


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise Unfit(f"is a number of more than {MAX_DIGITS} digits; send fewer, or a string")
    return int(digits)


def _decimal(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise Unfit("is a number that is too large; send a smaller one, or a string")
    return number


_READER = StrictReader(MAX_DEPTH, integer=_integer, decimal=_decimal)
