"""Messages as they go over the wire (NATS client protocol, HPUB), and headers: of batches, and of what comes.

In: messages, or headers as bytes. Out: bytes, or headers. nats-py takes longer over a message's headers than
we over the message.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping

from events.wire.message import Message

_BLANK = " \t\n\r\x0b\x0c"
"""White space of ASCII, as bytes have it."""


def batch_headers(batch: str, number: int, last_sequence: int) -> dict[str, str]:
    """What a batch's message, counted from 1, has beside its own headers; the first expects an end."""
    headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
    if number == 1:
        headers["Nats-Expected-Last-Sequence"] = str(last_sequence)
    return headers


def frame(message: Message, more: Mapping[str, str]) -> bytes:
    """The message with more headers. No header may hold a line end."""
    lines = [f"{name}: {value}\r\n" for headers in (message.headers, more) for name, value in headers.items()]
    head = f"NATS/1.0\r\n{''.join(lines)}\r\n".encode()
    size = len(head) + len(message.body)
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (message.subject.encode(), len(head), size, head, message.body)


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
