"""History proofs: what `customers prove` exports, as the auditor's script judges it."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest

from events.command import Append
from events.errors import LedgerBroken
from events.master_keys import MasterKeys
from events.proof.history_proof import prove_history
from events.sealing import DataKey
from events.signing import public_key
from tests.support.auditing import fill, forge, signed
from tests.support.cases import JOHN
from tests.support.proving import SCRIPT, load_script, prove
from tests.support.store import C1, C2, C3, M1, M2, NOWHERE, Appender, Store, changing, creating, customer_id

script = load_script()


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_a_history_is_proved_opened_and_told_without_us(store: Store, tmp_path: Path) -> None:
    await fill(store)
    file = tmp_path / "history.json"
    file.write_bytes(orjson.dumps(await prove(store, C1)))
    key = b64encode(public_key(store.master_keys, 1)).decode()
    done = run_script(str(file), "--public-key", key)
    assert done.returncode == 0, done.stderr
    assert '"name":"Name 2"' in done.stdout
    assert f"{C1}: 3 events, each in the ledger of {M1}" in done.stdout
    assert "Status as of version 3: live." in done.stdout
    assert "does not show that nothing came after version 3" in done.stdout
    assert "self-consistent" not in done.stdout


async def test_without_a_key_from_elsewhere_the_script_says_that_it_is_self_consistent_only(
    store: Store, tmp_path: Path
) -> None:
    await fill(store)
    file = tmp_path / "history.json"
    file.write_bytes(orjson.dumps(await prove(store, C1)))
    done = run_script(str(file))
    assert done.returncode == 0
    assert "self-consistent and no more" in done.stdout
    key = json.loads(file.read_bytes())["checkpoint"]["publicKey"]
    other = b64encode(public_key(MasterKeys.from_text(MasterKeys.generate_text()), 1)).decode()
    refused = run_script(str(file), "--public-key", other)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "signed by another key" in refused.stderr
    assert run_script(str(file), "--public-key", other, "--public-key", key).returncode == 0
    file.write_text("{}")
    assert "malformed" in run_script(str(file)).stderr
    file.write_text("[" * 100_000)
    assert run_script(str(file)).stderr.startswith("NOT PROVED: the file is malformed (RecursionError")
    missing = run_script(str(tmp_path / "nothing"))
    assert (missing.returncode, missing.stderr) == (
        2,
        f"{tmp_path / 'nothing'} cannot be read: No such file or directory\n",
    )


async def test_it_reveals_nothing_of_other_customers(store: Store) -> None:
    await fill(store)
    text = orjson.dumps(await prove(store, C1))
    assert C2.encode() not in text
    assert C3.encode() not in text


async def test_a_deleted_and_an_erased_customer_are_proved_too(store: Store) -> None:
    await fill(store)
    assert script.verify(await prove(store, C3))[-1].split()[1] == "CustomerDeleted"
    await store.erase(C1)
    history = await prove(store, C1)
    assert history["dataKey"] is None
    assert script.verify(history)[-1].split()[1] == "CustomerErased"
    assert len([line for line in script.verify(history) if "the key is not there" in line]) == 3


async def test_the_script_tells_what_became_of_the_customer(store: Store, tmp_path: Path) -> None:
    await fill(store)
    file = tmp_path / "history.json"
    deleted, live = await prove(store, C3), await prove(store, C1)
    await store.erase(C1)
    erased = await prove(store, C1)
    for history, status in ((deleted, "deleted"), (erased, "erased")):
        file.write_bytes(orjson.dumps(history))
        done = run_script(str(file))
        assert done.returncode == 0, done.stderr
        assert f": {status}." in done.stdout
    file.write_bytes(orjson.dumps(live | {"dataKey": None}))
    done = run_script(str(file))
    assert (done.returncode, "Status as of version 3: key withheld." in done.stdout) == (1, True)
    assert "no event says that the customer was erased" in done.stderr
    file.write_bytes(orjson.dumps(erased | {"dataKey": live["dataKey"]}))
    assert "was erased, but its data key is in the file" in run_script(str(file)).stderr


async def test_the_script_compares_with_checkpoints_that_were_kept(store: Store, tmp_path: Path) -> None:
    await fill(store)
    history = await prove(store, C1)
    file, kept = tmp_path / "history.json", tmp_path / "kept.jsonl"
    file.write_bytes(orjson.dumps(history))
    kept.write_bytes(b"{\n" + orjson.dumps(history["checkpoint"]) + b"\n")
    done = run_script(str(file), "--checkpoint", str(kept))
    assert (done.returncode, done.stderr) == (0, f"{kept} line 1: it is no checkpoint\n")
    assert "one of those that were kept" in done.stdout
    assert "self-consistent" not in done.stdout
    await store.update(C1, name="Later")
    kept.write_bytes((await signed(store)).line())
    done = run_script(str(file), "--checkpoint", str(kept))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"it is not one of the 1 kept in {kept}" in done.stderr


async def test_what_the_script_shows_steers_no_terminal(store: Store, tmp_path: Path) -> None:
    await store.create(C1, JOHN | {"name": "John \u202e\u009b2J Doe"})
    file = tmp_path / "history.json"
    file.write_bytes(orjson.dumps(await prove(store, C1)))
    done = run_script(str(file))
    assert done.returncode == 0, done.stderr
    assert "John \\u202e\\u009b2J Doe" in done.stdout


async def test_customers_at_every_place_of_a_large_ledger_are_proved(
    store: Store, committing: Appender
) -> None:
    customers = [customer_id(number) for number in range(1, 1301)]

    def created(one: str) -> Append:
        wrapped = store.master_keys.wrap(DataKey(bytes(32)), M1, one)
        return creating(one, None, state=b"{}", wrapped_key=wrapped)

    await committing.append(*map(created, customers[:1000]))
    await signed(store)
    await committing.append(*map(created, customers[1000:]))
    await committing.append(changing(customers[0], 2, state=b"{}"))
    for number in (0, 1, 255, 256, 511, 512, 999, 1000, 1023, 1024, 1279, 1280, 1299):
        history = await prove(store, customers[number])
        assert script.verify(history), number
    assert history["checkpoint"]["position"] == 1301


async def test_the_last_checkpoint_serves_as_long_as_it_reaches_far_enough(store: Store) -> None:
    await fill(store)
    first = await signed(store)
    await store.update(C1, name="Later")
    assert (await prove(store, C2))["checkpoint"] == first.members()
    assert (await prove(store, C1))["checkpoint"]["position"] == 9


async def test_who_has_no_events_has_no_history(store: Store) -> None:
    await fill(store)
    assert await prove_history(store.database, M2, C2, store.master_keys) is None
    assert await prove_history(store.database, NOWHERE, C1, store.master_keys) is None


async def test_a_history_that_was_forged_is_not_exported(store: Store) -> None:
    await fill(store)
    await signed(store)
    await forge(
        store,
        f"UPDATE events.customer_events SET metadata = '{{}} ' WHERE merchant_id = '{M1}' AND position = 3",
    )
    with pytest.raises(LedgerBroken, match=f"{M1} position 1 .* no proof leads from it to the root"):
        await prove(store, C1)


Touch = Callable[[Any], None]


def event(number: int, member: str, value: Any) -> Touch:
    return lambda history: history["events"][number].update({member: value})


def part(name: str, member: str, value: Any) -> Touch:
    return lambda history: history[name].update({member: value})


TOUCHES: dict[str, tuple[Touch, str]] = {
    "position": (event(1, "position", 4), "version 2, position 4: it is not in the ledger"),
    "time": (event(1, "recordedAt", 5), "version 2, position 3: it is not in the ledger"),
    "topic": (event(1, "topic", "CustomerDeleted"), "version 2, position 3: it is not in the ledger"),
    "state": (event(1, "state", "e30="), "version 2, position 3: it is not in the ledger"),
    "metadata": (event(1, "metadata", "e30K"), "version 2, position 3: it is not in the ledger"),
    "version": (event(1, "version", 3), "version 2, position 3: it has version 3, one is missing"),
    "no proof": (event(1, "inclusionProof", []), "version 2, position 3: it is not in the ledger"),
    "an event left out": (lambda h: h["events"].pop(1), "it has version 3, one is missing"),
    "two events swapped": (lambda h: h["events"].reverse(), "it has version 3"),
    "an event twice": (
        lambda h: h["events"].append(h["events"][-1] | {"version": 4}),
        "after the one before",
    ),
    "no events": (lambda h: h["events"].clear(), "there is no event"),
    "customer": (lambda h: h.update(customerId=C2), "version 1, position 1: it is not in the ledger"),
    "merchant": (lambda h: h.update(merchantId=M2), "of another merchant"),
    "format": (lambda h: h.update(format="other"), "format"),
    "data key": (lambda h: h.update(dataKey=b64encode(bytes(32)).decode()), "sealed values do not open"),
    "root": (part("checkpoint", "merkleRoot", "00" * 32), "signature does not fit"),
    "signature": (part("checkpoint", "signature", b64encode(bytes(64)).decode()), "signature does not fit"),
    "epoch": (part("checkpoint", "epoch", 2), "signature does not fit"),
    "size": (part("checkpoint", "position", 9), "signature does not fit"),
}


async def test_whatever_is_touched_in_the_file_is_found_and_named(store: Store) -> None:
    await fill(store)
    history = await prove(store, C1)
    assert len(script.verify(history, [b64decode(history["checkpoint"]["publicKey"])])) == 3
    for name, (touch, complaint) in TOUCHES.items():
        touched = deepcopy(history)
        touch(touched)
        with pytest.raises(script.Mismatch) as caught:
            script.verify(touched)
        assert complaint in str(caught.value), name
