"""The committed test vectors (`proof_vectors.json`), recomputed by our code and by the auditor's script."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest

from events.errors import CheckpointUnreadable
from events.ledger import first_hash
from events.master_keys import MasterKeys
from events.proof.checkpoint import Statement, read_checkpoint, sign
from events.proof.history_proof import event_members
from events.proof.merkle import Tree, inclusion_proof, nodes_over
from events.proof.verification import LedgerRow, Place, beginning, follow, leaf_of
from events.signing import public_key
from service.openapi.examples import LEDGER
from tests.support.proving import load_script

VECTORS: dict[str, Any] = orjson.loads((Path(__file__).parent / "proof_vectors.json").read_bytes())
HISTORY = VECTORS["history"]
KEYS = MasterKeys.from_text(VECTORS["masterKey"])
script = load_script()


def row(event: dict[str, Any]) -> LedgerRow:
    members = [event[name] for name in ("position", "recordedAt", "customerId", "version", "topic")]
    return [
        *members,
        b64decode(event["metadata"]),
        b64decode(event["state"]),
        bytes.fromhex(event["hash"]),
    ]


ROWS = [row(event) for event in VECTORS["ledger"]]


def test_our_code_follows_the_ledger_hash_by_hash() -> None:
    assert first_hash(VECTORS["merchantId"]).hex() == VECTORS["firstHash"]
    place, tree = beginning(VECTORS["merchantId"]), Tree()
    for event, one in zip(VECTORS["ledger"], ROWS, strict=True):
        assert leaf_of(one).hex() == event["leaf"]
        place = follow(place, [one], tree)
        assert place == Place(event["position"], event["recordedAt"], bytes.fromhex(event["hash"]))
        assert tree.root().hex() == event["merkleRoot"]


def test_our_code_signs_the_same_checkpoint_and_exports_the_same_events() -> None:
    last = VECTORS["ledger"][-1]
    statement = Statement(
        VECTORS["merchantId"],
        1,
        last["position"],
        last["recordedAt"],
        bytes.fromhex(last["hash"]),
        bytes.fromhex(last["merkleRoot"]),
    )
    assert statement.text().decode() == VECTORS["checkpointText"]
    checkpoint = sign(statement, KEYS)
    assert checkpoint.members() == HISTORY["checkpoint"]
    assert read_checkpoint(checkpoint.line()) == checkpoint
    leaves, tree = [leaf_of(one) for one in ROWS], Tree()
    for leaf in leaves:
        tree.append(leaf)
    known = nodes_over(leaves, 0)
    events = [
        event_members(
            one,
            inclusion_proof(one[0] - 1, tree.frontier, tree.size, lambda level, number: known[level, number]),
        )
        for one in ROWS
        if one[2] == HISTORY["customerId"]
    ]
    assert events == HISTORY["events"]


def test_the_example_that_clients_are_shown_is_this_ledger_s() -> None:
    said = HISTORY["checkpoint"]
    shown = {
        name: said[name] for name in ("merchantId", "epoch", "position", "hash", "recordedAt", "publicKey")
    }
    assert {"object": "ledger", "checkpoint": said} | shown == LEDGER


def test_the_script_computes_the_same_hashes_and_believes_the_history() -> None:
    previous = bytes.fromhex(VECTORS["firstHash"])
    for event in VECTORS["ledger"]:
        leaf = script.leaf(event["customerId"], event)
        previous = sha256(b"\x01" + previous + leaf).digest()
        assert (leaf.hex(), previous.hex()) == (event["leaf"], event["hash"])
    timeline = script.verify(HISTORY, [public_key(KEYS, 1)])
    assert [line.split()[1] for line in timeline] == ["CustomerCreated", "CustomerUpdated", "CustomerDeleted"]
    assert timeline[0].startswith("2026-01-01T00:00:00.000001+00:00  CustomerCreated  by key_example  {")
    assert '"name":"Jöhn Roe"' in timeline[1]


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({"hash": "00"}, "hash must be 64 hexadecimal digits"),
        ({"merkleRoot": "x" * 64}, "merkleRoot must be 64 hexadecimal digits"),
        ({"position": -1}, "position must be an integer from 0 to 9223372036854775807"),
        ({"recordedAt": "5"}, "recordedAt must be an integer"),
        ({"signature": "AAAA"}, "signature must be 64 bytes in base64"),
        ({"publicKey": None}, "publicKey must be a string"),
    ],
)
def test_a_member_that_does_not_fit_is_named(members: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CheckpointUnreadable, match=complaint):
        read_checkpoint(orjson.dumps(HISTORY["checkpoint"] | members))
