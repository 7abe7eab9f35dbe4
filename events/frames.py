"""Messages as they go over the wire (NATS client protocol, HPUB), and the headers of atomic batches (ADR-50).

In: messages. Out: bytes, or headers. nats-py takes longer over a message's headers than we over the message.
"""

from __future__ import annotations

from collections.abc import Mapping

from events.message import Message


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
