"""`customers verify`, `checkpoint` and `prove`, as a person runs them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import stat
import subprocess
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from pathlib import Path

import pytest

from events.master_keys import MasterKeys
from events.proof.checkpoint import read_checkpoint
from service.cli import main
from service.embedded.nats import EmbeddedNats
from service.settings import PREFIX
from tests.support.auditing import fill, forge, forget_checkpoints
from tests.support.databases import TestDatabase
from tests.support.proving import load_script
from tests.support.store import C1, C3, M1, M2, M3, NOWHERE, Store, make_merchants, opened_store
from tests.support.up import CUSTOMERS

KEY = MasterKeys.generate_text()
CUT = [
    f"DELETE FROM events.customer_events WHERE merchant_id = '{M1}' AND position = 8",
    f"""UPDATE events.merchants AS m SET position = e.position, hash = e.hash, recorded_at = e.recorded_at
    FROM events.customer_events AS e WHERE e.merchant_id = m.id AND m.id = '{M1}' AND e.position = 7""",
]


class Terminal:
    """Runs commands on a filled database; returns what they said."""

    def __init__(self, database: TestDatabase, capture: pytest.CaptureFixture[str]) -> None:
        self._database = database
        self._capture = capture

    def store(self, work: Callable[[Store], Awaitable[None]]) -> None:
        """Do something to the store."""

        async def opened() -> None:
            async with opened_store(self._database, keys=MasterKeys.from_text(KEY)) as store:
                await work(store)

        asyncio.run(opened())

    def forge(self, *statements: str) -> None:
        self.store(lambda store: forge(store, *statements))

    def run(self, *arguments: object, status: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = self._capture.readouterr()
        assert (ended.value.code or 0) == status, said
        return (said.out or said.err).strip()


@pytest.fixture
def terminal(
    database: TestDatabase, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CUSTOMERS_DATABASE_URL", database.url)
    monkeypatch.setenv("CUSTOMERS_ADMIN_DATABASE_URL", database.admin_url)
    monkeypatch.setenv("CUSTOMERS_MASTER_KEY", KEY)
    asyncio.run(make_merchants(database, M1, M2, M3))
    made = Terminal(database, capsys)
    made.store(fill)
    return made


def test_verifying_says_how_much_is_well_and_what_is_not(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUSTOMERS_MASTER_KEY")  # not needed for this
    assert terminal.run("verify").startswith("10 events in 3 ledgers: all is well")
    assert terminal.run("verify", "--merchant", M2).startswith("2 events in 1 ledger: all is well")
    terminal.forge(
        f"UPDATE events.customer_events SET state = 'x' WHERE merchant_id = '{M1}' AND position = 4"
    )
    said = terminal.run("verify", status=1).splitlines()
    assert said[0].startswith(f"{M1} position 4 (customer {C3}): edited: ")
    assert "broken: 1 ledger" in said[1]
    report = json.loads(terminal.run("verify", "--json", status=1))
    (finding,) = report["findings"]
    assert (report["ok"], report["ledgers"]) == (False, 3)
    assert (finding["merchantId"], finding["position"], finding["customerId"]) == (M1, 4, C3)
    assert json.loads(terminal.run("verify", "--json", "--merchant", M2))["ok"] is True
    assert (
        terminal.run("verify", "--merchant", NOWHERE, status=2)
        == f"customers: there is no merchant {NOWHERE}"
    )


def everything(screen: FileIO) -> bytes:
    """What is shown until whoever writes to the terminal has gone."""
    shown = b""
    with suppress(OSError):  # EIO: nobody has it open any more
        while piece := screen.read(4096):
            shown += piece
    return shown


def test_a_terminal_shows_a_bar_with_rate_and_a_pipe_nothing_but_the_result(terminal: Terminal) -> None:
    assert "\x1b" not in terminal.run("verify")
    mine, theirs = pty.openpty()
    with ThreadPoolExecutor(1) as reading, FileIO(mine, "rb") as screen:
        shown_bytes = reading.submit(everything, screen)  # a terminal that nobody reads is full at some time
        try:
            done = subprocess.run(
                [*CUSTOMERS, "verify"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=theirs,
                env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
                timeout=60,
                check=True,
            )
        finally:
            os.close(theirs)
        shown = shown_bytes.result().decode()
    assert done.stdout.startswith(b"10 events in 3 ledgers")
    assert "verifying" in shown
    assert "10/10" in shown
    assert "/s" in shown


def test_a_checkpoint_kept_in_a_file_shows_a_cut_tail(terminal: Terminal, tmp_path: Path) -> None:
    kept = tmp_path / "checkpoints.jsonl"
    assert terminal.run("checkpoint", "--to", kept) == f"2 checkpoints written to {kept}"
    again = terminal.run("checkpoint", "--merchant", M1, "--to", kept)
    assert again == f"0 checkpoints written to {kept}, 1 there already"
    lines = kept.read_bytes().splitlines()
    assert [read_checkpoint(line).statement.merchant_id for line in lines] == [M1, M2]
    well = terminal.run("verify", "--checkpoint", kept)
    assert "against 2 kept checkpoints and 2 stored checkpoints: all is well" in well
    assert "No kept checkpoint" not in well
    terminal.forge(*CUT)
    said = terminal.run("verify", status=1).splitlines()
    assert said[0].startswith(
        f"{M1} position 8: cut: the ledger ends at position 7, and the stored checkpoint"
    )
    assert said[-1].startswith("No kept checkpoint was compared")
    terminal.store(forget_checkpoints)
    assert "all is well" in terminal.run("verify")
    assert f"{M1} position 8: cut: " in terminal.run("verify", "--checkpoint", kept, status=1)
    only_m2 = terminal.run("verify", "--checkpoint", kept, "--merchant", M2)
    assert "against 1 kept checkpoint: all is well" in only_m2


def test_an_auditor_without_a_master_key_gives_the_public_key(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "checkpoints.jsonl"
    terminal.run("checkpoint", "--to", kept)
    key = terminal.run("checkpoint", "--public-key")
    monkeypatch.delenv("CUSTOMERS_MASTER_KEY")
    monkeypatch.setenv("CUSTOMERS_DATA_DIR", str(tmp_path / "nothing"))
    assert "give --public-key KEY" in terminal.run("verify", "--checkpoint", kept, status=2)
    unsigned = terminal.run("verify").splitlines()
    assert "against 2 stored checkpoints: all is well" in unsigned[0]
    assert unsigned[1].startswith("The signatures of the stored checkpoints were not checked")
    assert "not checked" not in terminal.run("verify", "--public-key", key)
    assert "all is well" in terminal.run("verify", "--checkpoint", kept, "--public-key", key)
    other = "A" * 43 + "="
    said = terminal.run("verify", "--checkpoint", kept, "--public-key", other, status=1)
    assert "foreign key" in said
    assert "all is well" in terminal.run(
        "verify", "--checkpoint", kept, "--public-key", other, "--public-key", key
    )
    assert "32 bytes in base64" in terminal.run("verify", "--checkpoint", kept, "--public-key", "x", status=2)


UNREADABLE = {
    "{": "line 1: it is no checkpoint: it is not JSON",
    "\n[]": "line 2: it is no checkpoint: it is no JSON object",
    '{"merchantId": 1}': "merchantId must be a string",
    '{"merchantId": "m", "epoch": true}': "epoch must be an integer from 0",
    "": "holds no checkpoint",
}


def test_a_file_without_checkpoints_is_told_by_line(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints.jsonl"
    assert "No such file" in terminal.run("verify", "--checkpoint", file, status=2)
    for content, complaint in UNREADABLE.items():
        file.write_text(content)
        report = json.loads(terminal.run("verify", "--json", "--checkpoint", file, status=2))
        assert complaint in report["unchecked"][0]
        assert report["findings"] == []


def test_a_bad_line_among_checkpoints_hides_no_broken_ledger(terminal: Terminal, tmp_path: Path) -> None:
    kept = tmp_path / "checkpoints.jsonl"
    terminal.run("checkpoint", "--to", kept)
    with kept.open("a") as file:
        file.write("{\n")
    assert "not everything was checked" in terminal.run("verify", "--checkpoint", kept, status=2)
    terminal.forge(*CUT)
    assert f"{M1} position 8: cut: " in terminal.run("verify", "--checkpoint", kept, status=1)


def test_a_broken_ledger_is_not_signed_and_others_are(terminal: Terminal, tmp_path: Path) -> None:
    kept = tmp_path / "checkpoints.jsonl"
    terminal.forge(f"DELETE FROM events.customer_events WHERE merchant_id = '{M1}' AND position = 4")
    assert f"{M1} position 4: the chain breaks" in terminal.run("checkpoint", "--to", kept, status=1)
    assert read_checkpoint(kept.read_bytes()).statement.merchant_id == M2
    assert "no merchant" in terminal.run("checkpoint", "--merchant", M3, status=1)


def test_checkpoints_are_published_if_there_is_a_nats(
    terminal: Terminal, nats_server: EmbeddedNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "CUSTOMERS_NATS_URL is not set" in terminal.run("checkpoint", "--publish", status=1)
    monkeypatch.setenv("CUSTOMERS_NATS_URL", nats_server.url)
    assert len(terminal.run("checkpoint", "--publish").splitlines()) == 2


def test_a_customer_s_history_is_written_for_its_owner_alone(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    assert "choose one with --merchant" in terminal.run("prove", C1, status=1)
    written = f"{file} is written; it contains the data key: treat it as personal data"
    told = terminal.run("prove", C1, "--merchant", M2, "--to", file)
    assert told.splitlines() == ["customers: signed a new checkpoint, at position 2", written]
    assert terminal.run("prove", C1, "--merchant", M2, "--to", file) == written
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(load_script().verify(json.loads(file.read_text()))) == 2
    assert json.loads(terminal.run("prove", C3))["merchantId"] == M1
    assert "no customer cus_x" in terminal.run("prove", "cus_x", status=1)
    assert f"no customer {C3} of {M2}" in terminal.run("prove", C3, "--merchant", M2, status=1)
    assert "cannot be written" in terminal.run("prove", C3, "--to", tmp_path / "no" / "file", status=1)


def test_a_history_is_proved_against_checkpoints_that_were_kept_or_not_at_all(
    terminal: Terminal, tmp_path: Path
) -> None:
    kept, newer, file = tmp_path / "kept.jsonl", tmp_path / "newer.jsonl", tmp_path / "history.json"
    terminal.run("checkpoint", "--merchant", M1, "--to", kept)

    async def update(store: Store) -> None:
        await store.update(C1, name="Later")

    terminal.store(update)
    terminal.run("checkpoint", "--merchant", M1, "--to", newer)
    assert "signed" not in terminal.run("prove", C3, "--checkpoint", kept, "--to", file)
    history = json.loads(file.read_text())
    assert history["checkpoint"] == json.loads(kept.read_text())
    assert len(load_script().verify(history)) == 2
    late = terminal.run("prove", C1, "--merchant", M1, "--checkpoint", kept, status=1)
    assert f"no kept checkpoint of {M1} reaches position 9" in late
    terminal.run("prove", C1, "--merchant", M1, "--checkpoint", newer)
    terminal.store(forget_checkpoints)
    assert "not one that is stored" in terminal.run("prove", C3, "--checkpoint", kept, status=1)


def test_the_public_key_shown_is_that_of_the_version_in_force(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = terminal.run("checkpoint", "--merchant", M1)
    monkeypatch.setenv("CUSTOMERS_MASTER_KEY", KEY + MasterKeys.generate_text(2))
    shown = terminal.run("checkpoint", "--public-key")
    assert shown == json.loads(line)["publicKey"]
    terminal.run("keys", "rotate-master", "rewrap", "--yes")
    newer = terminal.run("checkpoint", "--public-key")
    assert newer != shown
    assert "all is well" in terminal.run("verify", "--public-key", newer, "--public-key", shown)
    assert "foreign key" in terminal.run("verify", "--public-key", newer, status=1)
