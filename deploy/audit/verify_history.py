#!/usr/bin/env python3
"""Verify one customer's history, as `customers prove` exports it, on any machine: `verify_history.py FILE`.

In: the JSON file and, if you have them from elsewhere, public keys or checkpoints that were kept. Out: the
customer's timeline and status, and exit status 0; 1, and what does not fit where; or 2, if a file cannot be
read. Needs Python and `pip install cryptography`, nothing of the service. Format: events/PROOF.md.
"""

import argparse
import json
import sys
import unicodedata
from base64 import b64decode
from collections.abc import Collection
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from struct import error as struct_error
from struct import pack
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - for Python older than 3.11, too
SIGNED = ("merchantId", "epoch", "position", "recordedAt", "hash", "merkleRoot")
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, struct_error)
DIRTY = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that steer a terminal, turn the direction of text, or show nothing."""
LIVE, DELETED, ERASED, WITHHELD = "live", "deleted", "erased", "key withheld"


class Mismatch(Exception):
    """Something does not fit; the text says what, and where."""


def check(holds: bool, what: str) -> None:
    """Raise Mismatch unless it holds."""
    if not holds:
        raise Mismatch(what)


def plain(text: str) -> str:
    """Text that does to a terminal what it seems to do: other characters are written as what they are."""
    return "".join(f"\\u{ord(one):04x}" if unicodedata.category(one) in DIRTY else one for one in text)


def statement(checkpoint: dict[str, Any]) -> tuple[Any, ...]:
    """What a checkpoint says."""
    return tuple(checkpoint[name] for name in SIGNED)


def check_signature(checkpoint: dict[str, Any], public_key: bytes) -> None:
    """The checkpoint is signed by this key."""
    text = "".join(f"{line}\n" for line in ("customers-checkpoint-v1", *statement(checkpoint)))
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            b64decode(checkpoint["signature"]), text.encode()
        )
    except InvalidSignature:
        raise Mismatch("checkpoint: the signature does not fit") from None


def leaf(customer_id: str, event: dict[str, Any]) -> bytes:
    """The hash of one event."""
    customer, topic = customer_id.encode(), event["topic"].encode()
    head = b"\0" + pack(">qqI", event["position"], event["recordedAt"], len(customer)) + customer
    kind = pack(">qI", event["version"], len(topic)) + topic
    hashes = [sha256(b64decode(event[part], validate=True)).digest() for part in ("metadata", "state")]
    return sha256(head + kind + b"".join(hashes)).digest()


def root(node: bytes, number: int, size: int, proof: list[str]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2); empty if it leads nowhere."""
    last = size - 1
    if not 0 <= number <= last:
        return b""
    for sibling in map(bytes.fromhex, proof):
        if last == 0:
            return b""
        if number & 1 or number == last:
            node = sha256(b"\1" + sibling + node).digest()
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            node = sha256(b"\1" + node + sibling).digest()
        number, last = number >> 1, last >> 1
    return node if last == 0 else b""


def opened(history: dict[str, Any], event: dict[str, Any], place: str) -> str:
    """The sealed values of an event, as JSON."""
    personal = json.loads(b64decode(event["state"])).get("personal")
    if personal is None:
        return ""
    if history["dataKey"] is None:
        return "(sealed; the key is not there)"
    sealed = b64decode(personal["_data_"]["blob"])
    owner = f"{history['merchantId']}\n{history['customerId']}\n{event['version']}".encode()
    try:
        values = AESGCM(b64decode(history["dataKey"])).decrypt(sealed[:12], sealed[12:], owner)
    except InvalidTag:
        raise Mismatch(f"{place}: the sealed values do not open") from None
    return values.decode()


def status_of(history: dict[str, Any]) -> str:
    """What has become of the customer by its last event. Raises Mismatch: its data key says otherwise."""
    last = history["events"][-1]["topic"]
    if last == "CustomerErased":
        check(history["dataKey"] is None, "the customer was erased, but its data key is in the file")
        return ERASED
    if history["dataKey"] is None:
        return WITHHELD
    return DELETED if last == "CustomerDeleted" else LIVE


def verify(history: dict[str, Any], public_keys: Collection[bytes] = ()) -> list[str]:
    """The timeline. Raises Mismatch."""
    check(history["format"] == "customers-history-v1", "the format is not customers-history-v1")
    checkpoint = history["checkpoint"]
    own_key = b64decode(checkpoint["publicKey"])
    check(
        not public_keys or own_key in public_keys, "checkpoint: it is signed by another key than those given"
    )
    check_signature(checkpoint, own_key)
    check(checkpoint["merchantId"] == history["merchantId"], "checkpoint: it is of another merchant")
    check(bool(history["events"]), "there is no event")
    timeline, position = [], 0
    for version, event in enumerate(history["events"], 1):
        place = f"version {version}, position {event['position']}"
        check(event["version"] == version, f"{place}: it has version {event['version']}, one is missing")
        check(event["position"] > position, f"{place}: it does not come after the one before")
        position = event["position"]
        node = leaf(history["customerId"], event)
        reached = root(node, position - 1, checkpoint["position"], event["inclusionProof"])
        check(reached.hex() == checkpoint["merkleRoot"], f"{place}: it is not in the ledger that was signed")
        moment = (EPOCH + timedelta(microseconds=event["recordedAt"])).isoformat()
        actor = json.loads(b64decode(event["metadata"])).get("actor", "-")
        timeline.append(f"{moment}  {event['topic']}  by {actor}  {opened(history, event, place)}".rstrip())
    return timeline


def compare(checkpoint: dict[str, Any], path: Path) -> None:
    """The checkpoint is one of those that were kept in a file. Raises Mismatch. Tells lines that are none."""
    kept = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            kept += [statement(json.loads(line))] if line.strip() else []
        except MALFORMED:
            print(plain(f"{path} line {number}: it is no checkpoint"), file=sys.stderr)
    check(statement(checkpoint) in kept, f"checkpoint: it is not one of the {len(kept)} kept in {path}")


def told(history: dict[str, Any], timeline: list[str], options: argparse.Namespace) -> list[str]:
    """The timeline, and what was proved and what not."""
    said, last = history["checkpoint"], len(timeline)
    lines = [
        *timeline,
        "",
        f"{history['customerId']}: {last} events, each in the ledger of {said['merchantId']} as it",
        f"was signed at position {said['position']}, epoch {said['epoch']}.",
        f"Status as of version {last}: {status_of(history)}.",
        f"This file does not show that nothing came after version {last}; that shows in the database alone",
        "(`customers verify --checkpoint`).",
    ]
    if options.checkpoint is not None:
        lines.append("The checkpoint is one of those that were kept.")
    elif not options.public_key:
        lines += [
            f"The key is the file's own, so this is self-consistent and no more: {said['publicKey']}",
            "Compare it with one you have from elsewhere (--public-key), or with checkpoints (--checkpoint).",
        ]
    return lines


def read_key(text: str) -> bytes:
    """A public key from the command line."""
    key = b64decode(text, validate=True)
    if len(key) != 32:
        raise ValueError
    return key


def main() -> None:
    """Read the command line, verify, print."""
    parser = argparse.ArgumentParser(
        description="Verify one customer's history as `customers prove` wrote it.",
        epilog="Exit status: 0 proved, 1 not proved, 2 a file cannot be read.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--public-key",
        type=read_key,
        action="append",
        default=[],
        metavar="KEY",
        help="32 bytes in base64, from somebody you trust; repeatable",
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="checkpoints that you kept: it must be one of them"
    )
    options = parser.parse_args()
    try:
        history = json.loads(options.file.read_bytes())
        timeline = verify(history, options.public_key)
        if options.checkpoint is not None:
            compare(history["checkpoint"], options.checkpoint)
        lines = told(history, timeline, options)
    except OSError as error:
        print(plain(f"{error.filename} cannot be read: {error.strerror}"), file=sys.stderr)
        sys.exit(2)
    except Mismatch as mismatch:
        sys.exit(plain(f"NOT PROVED: {mismatch}"))
    except MALFORMED as error:
        sys.exit(plain(f"NOT PROVED: the file is malformed ({type(error).__name__}: {error})"))
    print("\n".join(map(plain, lines)))
    if status_of(history) == WITHHELD:
        sys.exit(
            "NOT PROVED: there is no data key, but no event says that the customer was erased: the key was "
            "withheld, or destroyed without an erasure"
        )


if __name__ == "__main__":
    main()
