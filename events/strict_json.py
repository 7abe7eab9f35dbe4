"""JSON from outside: bytes in, one plain object out, or the reason why not, which repeats no value.

It takes I-JSON (RFC 7493) of limited depth: UTF-8 without BOM, no duplicate names, no NUL and no lone
surrogates in strings. What numbers become is for the reader to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn, TypeAlias

SHOWN_LENGTH = 64  # code points of a sender's own text
SMALL = 16 * 1024  # bytes
MOST_VALUES = 20_000
"""In one body, far more than a full batch has: what is read is looked at value by value."""

Place: TypeAlias = "tuple[Place, str | int] | None"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNSTORABLE_KINDS = {True: "has the character U+0000", False: "has half of a surrogate pair"}
_KINDS = {str: "a string", list: "an array", int: "a number", float: "a number", bool: "a boolean"}


class NotReadable(Exception):
    """The bytes are not such JSON; `str(error)` is the reason, a sentence without its full stop.

    `member` is the dotted path of the member at fault, empty where it is the whole body.
    """

    def __init__(self, reason: str, member: str = "") -> None:
        super().__init__(reason)
        self.member = member


class NotAnObject(NotReadable):
    """They are, but no object stands at the top."""


class Unfit(Exception):
    """A value cannot be taken; `str(error)` continues the name of its member: `is …`, `has …`."""


class StrictReader:
    """Reads objects. `max_depth` counts objects and arrays inside each other, the outermost included."""

    def __init__(
        self, max_depth: int, *, integer: Callable[[str], Any], decimal: Callable[[str], Any]
    ) -> None:
        """`integer` and `decimal` make something of a number's text; they may raise Unfit."""
        self._max_depth = max_depth
        self._decode = _decoder(_object, integer, decimal, _constant)
        self._decode_leniently = _decoder(
            _marking(_object), _marking(integer), _marking(decimal), _marking(_constant)
        )
        """Leaves an Unfit where a value would be: what raises it does not know whose value it is."""

    def read(self, body: bytes) -> dict[str, Any]:
        """The JSON object in `body`. Raises NotReadable."""
        try:
            value, fits = self._decoded(body.decode())
        except UnicodeDecodeError as error:
            raise NotReadable(f"the body is not UTF-8 at byte {error.start}") from None
        except JSONDecodeError as error:
            raise NotReadable(_syntax_message(body, error)) from None
        except RecursionError:
            _refuse_depth(self._max_depth)
        if isinstance(value, Unfit):
            raise NotReadable(f"the body {value}")
        if type(value) is not dict:
            raise NotAnObject(f"the body must be a JSON object, it is {_KINDS.get(type(value), 'null')}")
        # Only an escape can smuggle in NUL or a surrogate, and only brackets can nest: most need no walk.
        # And only a large body can have very many values.
        brackets = body.count(b"{") + body.count(b"[")
        if not fits or b"\\u" in body or brackets > self._max_depth or len(body) > SMALL:
            _Inspection(self._max_depth).inspect(value, None, 1)
        return value

    def _decoded(self, text: str) -> tuple[Any, bool]:
        try:
            return self._decode(text), True
        except Unfit:
            return self._decode_leniently(text), False


class _Inspection:
    """A walk through what was read. A place is the name in what is around it, and the place of that."""

    def __init__(self, max_depth: int) -> None:
        self._max_depth = max_depth
        self._left = MOST_VALUES

    def inspect(self, node: dict[str, Any] | list[Any], around: Place, depth: int) -> None:
        """Raises NotReadable for the first thing that must not be."""
        if depth > self._max_depth:
            _refuse_depth(self._max_depth, _path(around))
        self._left -= len(node)
        if self._left < 0:
            raise NotReadable(f"the body has more than {MOST_VALUES} values")
        for name, child in node.items() if type(node) is dict else enumerate(node):
            place = (around, name)
            if type(child) in (dict, list):
                self.inspect(child, place, depth + 1)
            if isinstance(child, Unfit):
                raise _unreadable(place, str(child))
            for text in (name, child):
                if type(text) is str and _UNSTORABLE.search(text):
                    raise _unreadable(place, _UNSTORABLE_KINDS["\x00" in text])


def _refuse_depth(max_depth: int, path: str = "") -> NoReturn:
    at = f" at {path}" if path else ""
    raise NotReadable(f"the body is nested too deeply{at}; {max_depth} levels are allowed", path)


def shown(text: str, length: int = SHOWN_LENGTH) -> str:
    """A sender's own text, shortened and without what UTF-8, a terminal or a table could not show."""
    short = text if len(text) <= length else text[: length - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in short)


def _syntax_message(body: bytes, error: JSONDecodeError) -> str:
    if not body.strip():
        return "the body is empty; send a JSON object"
    if body.startswith(b"\xef\xbb\xbf"):
        return "the body must not begin with a byte order mark"
    return f"the body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})"


def _unreadable(place: Place, fault: str) -> NotReadable:
    path = _path(place)
    return NotReadable(f"{path} {fault}", path)


def _path(place: Place) -> str:
    """The names on the way to a place, joined by dots: only made for a refusal, since names may be long."""
    names: list[str] = []
    while place is not None:
        place, name = place
        names.append(shown(str(name)))
    return shown(".".join(reversed(names)))


def _decoder(
    pairs: Callable[[list[tuple[str, Any]]], Any],
    integer: Callable[[str], Any],
    decimal: Callable[[str], Any],
    constant: Callable[[str], Any],
) -> Callable[[str], Any]:
    return JSONDecoder(
        object_pairs_hook=pairs, parse_int=integer, parse_float=decimal, parse_constant=constant
    ).decode


def _marking(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What gives what the hook gives, or else the Unfit that it raises."""

    def mark(value: Any) -> Any:
        try:
            return hook(value)
        except Unfit as error:
            return error

    return mark


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Unfit(f'has the name "{shown(name)}" twice; send it once')
            seen.add(name)
    return members


def _constant(name: str) -> NoReturn:
    raise Unfit(f"is {name}, which is no number in JSON")
