#!/usr/bin/env python3
"""Verify one customer's history, as `customers prove` exports it, on any machine: `verify_history.py FILE`.

In: the JSON file and, if you have them from elsewhere, public keys or checkpoints that were kept. Out: the
customer's timeline and status, and exit status 0; 1, and what does not fit where; or 2, if a file cannot be
read. Needs Python and `pip install cryptography`, nothing of the service. Format: events/PROOF.md.
"""

import argparse
import json
import sys
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
WITHHELD = "key withheld"


class Mismatch(Exception):
    """Something does not fit; the text says what, and where."""


def check(holds: bool, what: str) -> None:
    """Raise Mismatch unless it holds."""
    if not holds:
        raise Mismatch(what)


def verify(history: dict[str, Any], public_keys: Collection[bytes] = ()) -> list[str]:
    """The timeline. Raises Mismatch."""
    check(history["format"] == "customers-history-v1", "the format is not customers-history-v1")
    said, position, timeline = history["checkpoint"], 0, []
    check_signature(said, public_keys)
    check(said["merchantId"] == history["merchantId"], "checkpoint: it is of another merchant")
    check(bool(history["events"]), "there is no event")
    for version, event in enumerate(history["events"], 1):
        place = f"version {version}, position {event['position']}"
        check(event["version"] == version, f"{place}: it has version {event['version']}, one is missing")
        check(event["position"] > position, f"{place}: it does not come after the one before")
        position = event["position"]
        reached = root(
            leaf(history["customerId"], event), position - 1, said["position"], event["inclusionProof"]
        )
        check(reached.hex() == said["merkleRoot"], f"{place}: it is not in the ledger that was signed")
        moment = (EPOCH + timedelta(microseconds=event["recordedAt"])).isoformat()
        actor = json.loads(b64decode(event["metadata"])).get("actor", "-")
        timeline.append(f"{moment}  {event['topic']}  by {actor}  {opened(history, event, place)}".rstrip())
    return timeline


def check_signature(said: dict[str, Any], public_keys: Collection[bytes]) -> None:
    """The checkpoint is signed by the key in it, which is one of those given, if any are."""
    key, lines = b64decode(said["publicKey"]), ("customers-checkpoint-v1", *(said[name] for name in SIGNED))
    check(not public_keys or key in public_keys, "checkpoint: it is signed by another key than those given")
    try:
        text = "".join(f"{line}\n" for line in lines).encode()
        Ed25519PublicKey.from_public_bytes(key).verify(b64decode(said["signature"]), text)
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
        left = number & 1 or number == last
        node = sha256(b"\1" + (sibling + node if left else node + sibling)).digest()
        while left and number and not number & 1:
            number, last = number >> 1, last >> 1
        number, last = number >> 1, last >> 1
    return node if number == last == 0 else b""


def opened(history: dict[str, Any], event: dict[str, Any], place: str) -> str:
    """The sealed values of an event, as JSON."""
    personal, key = json.loads(b64decode(event["state"])).get("personal"), history["dataKey"]
    if personal is None or key is None:
        return "" if personal is None else "(sealed; the key is not there)"
    sealed = b64decode(personal["_data_"]["blob"])
    owner = f"{history['merchantId']}\n{history['customerId']}\n{event['version']}".encode()
    try:
        return AESGCM(b64decode(key)).decrypt(sealed[:12], sealed[12:], owner).decode()
    except InvalidTag:
        raise Mismatch(f"{place}: the sealed values do not open") from None


def status_of(history: dict[str, Any]) -> str:
    """What has become of the customer by its last event. Raises Mismatch: its data key says otherwise."""
    last, has_key = history["events"][-1]["topic"], history["dataKey"] is not None
    erased = last == "CustomerErased"
    check(not (erased and has_key), "the customer was erased, but its data key is in the file")
    return "erased" if erased else WITHHELD if not has_key else "deleted" if "Deleted" in last else "live"


# The command line


def compare(checkpoint: dict[str, Any], path: Path) -> None:
    """The checkpoint is one of those that were kept in a file. Raises Mismatch. Tells lines that are none."""
    kept, said = [], [checkpoint[name] for name in SIGNED]
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            kept += [[json.loads(line)[name] for name in SIGNED]] if line.strip() else []
        except MALFORMED:
            print(plain(f"{path} line {number}: it is no checkpoint"), file=sys.stderr)
    check(said in kept, f"checkpoint: it is not one of the {len(kept)} kept in {path}")


def plain(text: str) -> str:
    """Text that steers no terminal, and is all to be seen: other characters are written as what they are."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def read_key(text: str) -> bytes:
    """A public key from the command line: 32 bytes."""
    key = b64decode(text, validate=True)
    if len(key) != 32:
        raise ValueError
    return key


def told(history: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """The timeline, and what was proved and what not. Raises Mismatch."""
    said, last, lines = history["checkpoint"], len(history["events"]), verify(history, options.public_key)
    lines += [
        "",
        f"{history['customerId']}: {last} events, each in the ledger of {said['merchantId']}",
        f"as it was signed at position {said['position']}, epoch {said['epoch']}.",
        f"Status as of version {last}: {status_of(history)}.",
        f"This file does not show that nothing came after version {last}: the database does",
        "(`customers verify --checkpoint`).",
    ]
    if options.checkpoint is not None:
        compare(said, options.checkpoint)
        lines.append("The checkpoint is one of those that were kept.")
    elif not options.public_key:
        lines.append(
            "The key is the file's own, so this is self-consistent and no more. Compare it with one that"
        )
        lines.append(f"you have from elsewhere (--public-key, --checkpoint): {said['publicKey']}")
    return lines


def main() -> None:
    """Read the command line, verify, print."""
    parser = argparse.ArgumentParser(description="Verify what `customers prove` wrote of one customer.")
    parser.epilog = "Exit status: 0 proved, 1 not proved, 2 a file cannot be read."
    kept, trusted = "checkpoints that you kept: it must be one of them", "in base64, from somebody you trust"
    parser.add_argument("file", type=Path)
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help=kept)
    parser.add_argument(
        "--public-key",
        type=read_key,
        action="append",
        default=[],
        metavar="KEY",
        help=trusted + "; repeatable",
    )
    options = parser.parse_args()
    try:
        history = json.loads(options.file.read_bytes())
        print("\n".join(map(plain, told(history, options))))
        check(
            status_of(history) != WITHHELD,
            "there is no data key, but no event says that the customer was erased: the key was withheld, or "
            "destroyed without an erasure",
        )
    except OSError as error:
        print(plain(f"{error.filename} cannot be read: {error.strerror}"), file=sys.stderr)
        sys.exit(2)
    except Mismatch as mismatch:
        sys.exit(plain(f"NOT PROVED: {mismatch}"))
    except MALFORMED as error:
        sys.exit(plain(f"NOT PROVED: the file is malformed ({type(error).__name__}: {error})"))


if __name__ == "__main__":
    main()
