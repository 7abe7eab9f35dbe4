#!/usr/bin/env python3
"""Verify one customer's history, as `customers prove` exports it, on any machine: `verify_history.py FILE`.

In: the JSON file and, if you have it from elsewhere, the public key. Out: the customer's timeline, and exit
status 0; or 1, and what does not fit where. Needs Python and `pip install cryptography`, nothing of the
service. The format is described in events/PROOF.md.
"""

import argparse
import json
import sys
from base64 import b64decode
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


class Mismatch(Exception):
    """Something does not fit; the text says what, and where."""


def check(holds: bool, what: str) -> None:
    """Raise Mismatch unless it holds."""
    if not holds:
        raise Mismatch(what)


def check_signature(checkpoint: dict[str, Any], public_key: bytes) -> None:
    """The checkpoint is signed by this key."""
    names = ("merchantId", "epoch", "position", "recordedAt", "hash", "merkleRoot")
    text = "".join(f"{line}\n" for line in ("customers-checkpoint-v1", *(checkpoint[name] for name in names)))
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


def verify(history: dict[str, Any], public_key: bytes | None = None) -> list[str]:
    """The timeline. Raises Mismatch."""
    check(history["format"] == "customers-history-v1", "the format is not customers-history-v1")
    checkpoint = history["checkpoint"]
    own_key = b64decode(checkpoint["publicKey"])
    check(public_key in (None, own_key), "checkpoint: it is signed by another key than the one given")
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


def main() -> None:
    """Read the command line, verify, print."""
    parser = argparse.ArgumentParser(
        description="Verify one customer's history as `customers prove` wrote it."
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--public-key", type=b64decode, help="base64, from somebody you trust")
    options = parser.parse_args()
    try:
        history = json.loads(options.file.read_bytes())
        timeline = verify(history, options.public_key)
    except Mismatch as mismatch:
        sys.exit(f"NOT PROVED: {mismatch}")
    except (KeyError, TypeError, ValueError, AttributeError, struct_error) as error:
        sys.exit(f"NOT PROVED: the file is malformed ({type(error).__name__}: {error})")
    print("\n".join(timeline))
    said = history["checkpoint"]
    print(
        f"\n{history['customerId']}: {len(timeline)} events, each in the ledger of {said['merchantId']} as it"
    )
    print(f"was signed at position {said['position']}, epoch {said['epoch']}.")
    if options.public_key is None:
        print(f"The key is the file's own, so this is self-consistent and no more: {said['publicKey']}")
        print("Compare it with one you have from elsewhere (--public-key).")


if __name__ == "__main__":
    main()
