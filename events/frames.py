"""Messages as bytes of the NATS client protocol, and their headers.

In: subjects, headers, bodies. Out: frames to send, and headers of what has come.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping

from events.message import Message

_BLANK = " \t\n\r\x0b\x0c"
"""White space of ASCII, as bytes have it."""


def of_batch(message: Message, batch: str, number: int, last_sequence: int) -> dict[str, str]:
    """The headers of a message of an atomic batch (nats-server ADR-50); the first has the fence."""
    headers = {**message.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
    if number == 1:
        headers["Nats-Expected-Last-Sequence"] = str(last_sequence)
    return headers


def frame(subject: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A message as it goes over the wire (NATS client protocol, HPUB). No header may hold a line end."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (subject.encode(), len(head), len(head) + len(body), head, body)


def header_lines(raw: bytes) -> dict[str, str]:
    """Headers as they come: names without white space in them, values without white space around them."""
    lines = (line.partition(":") for line in raw.decode("utf-8", "replace").split("\r\n"))
    pairs = ((name.strip(_BLANK), value.strip(_BLANK)) for name, colon, value in lines if colon)
    return {name: value for name, value in pairs if _is_token(name)}


def _is_token(name: str) -> bool:
    return name.isascii() and (not name or name.split() == [name])


def stored_headers(encoded: str) -> dict[str, str]:
    """The headers of a message as the server's API has them: base64 of a line `NATS/1.0`, then theirs."""
    lines = b64decode(encoded).decode(errors="replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name: value.strip() for name, _, value in pairs}
