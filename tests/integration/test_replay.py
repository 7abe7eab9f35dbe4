"""`customers replay` and `customers export`: customers from their events once more, whole and in order."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from events.customer_key import CustomerKey
from events.ids import CUSTOMER_PREFIX, make_id
from events.mapper import from_microseconds
from events.master_keys import MasterKeys
from events.wire.message import rfc3339
from service.audit.erasing import Eraser, Request
from tests.support.cases import ACME, JOHN
from tests.support.databases import run_sql
from tests.support.read_models import read_model
from tests.support.store import C1, C2, C3, M1, M2, Store, customer_id
from tests.support.sweeping import sweep
from tests.support.terminal import CommandLine

pytestmark = pytest.mark.usefixtures("short_wait")


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read model that no worker brings forward need not be waited for."""
    monkeypatch.setattr("service.audit.replaying.FOLLOWS_SECONDS", 0.3)


@pytest.fixture
def store(commanded_store: Store) -> Store:
    return commanded_store


async def some_history(store: Store) -> None:
    await store.create(C1, JOHN)
    await store.create(C2, ACME)
    await store.create(C1, ACME, M2)
    await store.update(C1, name="Jo", address={"city": "Rome"} | dict.fromkeys(["line1"]))
    await store.delete(C2)


async def swept(store: Store) -> None:
    while await sweep(store.database, store.master_keys):
        pass


def lines(said: str) -> list[Any]:
    return [json.loads(line) for line in said.splitlines()]


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_a_replay_writes_what_the_read_model_answers(store: Store, command_line: CommandLine) -> None:
    await some_history(store)
    said = await command_line.run("replay", "--merchant", M1)
    await swept(store)
    rows = await read_model(store.admin_url)
    assert said.encode().splitlines() == [rows[M1, C1].body, rows[M1, C2].body]
    assert lines(said)[1] == {"id": C2, "object": "customer", "deleted": True}


async def test_one_customer_alone_can_be_replayed(store: Store, command_line: CommandLine) -> None:
    await some_history(store)
    said = lines(await command_line.run("replay", "--merchant", M1, "--customer", C1))
    assert [one["name"] for one in said] == ["Jo"]


async def test_an_unknown_or_foreign_customer_is_an_error(
    store: Store, command_line: CommandLine, tmp_path: Path
) -> None:
    await some_history(store)
    await store.create(C3, JOHN, M2)
    file = tmp_path / "customers.jsonl"
    for customer in (C3, customer_id(77)):
        for options in (("--to", str(file)), ("--compare",)):
            said = await command_line.run(
                "replay", "--merchant", M1, "--customer", customer, *options, status=1
            )
            assert said == f"customers: there is no customer {customer} of {M1}"
    assert names_in(tmp_path) == []
    said = await command_line.run("replay", "--merchant", M1, "--customer", "cus_1", status=2)
    assert "no customer's id" in said


async def test_a_moment_before_the_beginning_is_told_as_such(store: Store, command_line: CommandLine) -> None:
    await some_history(store)
    early = ("replay", "--merchant", M1, "--until", "1000000000")
    moment = "had no events yet at 2001-09-09T01:46:40.999999Z"
    assert await command_line.says(*early) == ("", f"{M1} {moment}")
    assert await command_line.says(*early, "--customer", C1) == ("", f"{C1} {moment}")


async def test_customers_are_written_as_they_were_at_a_moment(
    store: Store, command_line: CommandLine
) -> None:
    await some_history(store)
    rows = await store.select(
        "SELECT recorded_at FROM events.customer_events WHERE merchant_id = $1 ORDER BY position", M1
    )
    moments = [rfc3339(from_microseconds(row["recorded_at"])) for row in rows]

    async def names(moment: str) -> list[Any]:
        said = await command_line.run("replay", "--merchant", M1, "--until", moment)
        return [one.get("name") for one in lines(said)]

    assert await names("1000000000") == []
    assert await names(moments[0]) == ["John Doe"]
    assert await names(moments[1]) == ["John Doe", "Jane Doe"]
    assert await names(moments[2]) == ["Jo", "Jane Doe"]
    assert await names(moments[3]) == ["Jo", None]
    refused = await command_line.run("replay", "--merchant", M1, "--until", "now", status=2)
    assert "RFC 3339" in refused
    assert "URL" not in refused


async def test_an_export_has_the_live_customers_up_to_the_last_change(
    store: Store, command_line: CommandLine
) -> None:
    await some_history(store)
    said = lines(await command_line.run("export", "--merchant", M1))
    assert [(one["id"], one["name"]) for one in said] == [(C1, "Jo")]


async def test_a_file_is_there_whole_and_for_its_owner_alone(
    store: Store, command_line: CommandLine, tmp_path: Path
) -> None:
    await some_history(store)
    file = tmp_path / "customers.jsonl"
    told = ("", f"2 customers written to {file}: treat it as personal data")
    assert await command_line.says("replay", "--merchant", M1, "--to", str(file)) == told
    assert len(lines(file.read_text())) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert names_in(tmp_path) == [file.name]
    nowhere = tmp_path / "nowhere" / "file"
    said = await command_line.run("replay", "--merchant", M1, "--to", str(nowhere), status=1)
    assert said == f"customers: {nowhere} cannot be written: No such file or directory"


@pytest.mark.parametrize("page", [2, 3, 7, 50])
async def test_pages_of_any_size_bring_each_customer_once_and_whole(
    store: Store, command_line: CommandLine, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.replay.PAGE", page)
    monkeypatch.setattr("projections.comparison.PAGE", page)
    for number in range(12):
        one = make_id(CUSTOMER_PREFIX, number, bytes(10))
        await store.create(one, JOHN | {"email": f"{number}@example.com"})
        for version in range(number % 5):
            await store.update(one, name=f"Name {version}")
    said = lines(await command_line.run("replay", "--merchant", M1))
    assert [one["id"] for one in said] == [
        make_id(CUSTOMER_PREFIX, number, bytes(10)) for number in range(12)
    ]
    assert [one["name"] for one in said] == [
        f"Name {number % 5 - 1}" if number % 5 else "John Doe" for number in range(12)
    ]
    await swept(store)
    assert await command_line.run("replay", "--merchant", M1, "--compare") == ""


async def test_a_read_model_that_is_what_the_events_say_compares_equal(
    store: Store, command_line: CommandLine
) -> None:
    await some_history(store)
    await swept(store)
    for merchant_id in (M1, M2):
        count = "2 customers" if merchant_id == M1 else "1 customer"
        said = await command_line.says("replay", "--merchant", merchant_id, "--compare")
        assert said == ("", f"{count} compared: no difference")


async def test_each_difference_of_the_read_model_is_named_without_values(
    store: Store, command_line: CommandLine
) -> None:
    await some_history(store)
    await store.create(C3, JOHN | {"email": "3@example.com"})
    await swept(store)
    phantom = customer_id(77)
    await run_sql(
        store.admin_url,
        f"UPDATE projections.customers SET customer_id = '{phantom}' WHERE customer_id = '{C2}'",
        f"UPDATE projections.customers SET version = 7 WHERE customer_id = '{C3}'",
        "UPDATE projections.customers SET updated_at = 1, "
        "body = convert_to(replace(convert_from(body, 'UTF8'), '\"Jo\"', '\"Joe\"'), 'UTF8') "
        f"WHERE customer_id = '{C1}'",
    )
    said = await command_line.run("replay", "--merchant", M1, "--compare", status=1)
    assert sorted(said.splitlines()) == sorted(
        [
            f"{C1}: other updated_at, name",
            f"{C2}: no row",
            f"{C3}: version 7 instead of 1",
            f"{phantom}: a row without events",
        ]
    )
    alone = await command_line.run("replay", "--merchant", M1, "--customer", C1, "--compare", status=1)
    assert alone == f"{C1}: other updated_at, name"


async def test_a_customer_that_cannot_be_read_is_left_out_and_named(
    store: Store, command_line: CommandLine, tmp_path: Path
) -> None:
    await some_history(store)
    await run_sql(
        store.admin_url,
        "ALTER TABLE events.customer_events DISABLE TRIGGER append_only",
        f"UPDATE events.customer_events SET topic = 'CustomerForgotten' "
        f"WHERE originator_id = '{C1}' AND originator_version = 2",
    )
    file = tmp_path / "customers.jsonl"
    said = await command_line.run("replay", "--merchant", M1, "--to", str(file), status=1)
    assert said == f"{C1} cannot be read: CustomerForgotten of {C1} version 2 cannot be read"
    assert [one["id"] for one in lines(file.read_text())] == [C2]


async def test_an_erased_customer_is_a_tombstone_at_any_moment(
    store: Store, command_line: CommandLine
) -> None:
    await some_history(store)
    eraser = Eraser(store.events, store.database, store.master_keys, None)
    await eraser.erase(CustomerKey(M1, C1), Request(b"{}"))
    gone = {"id": C1, "object": "customer", "deleted": True}
    assert lines(await command_line.run("replay", "--merchant", M1))[0] == gone
    rows = await store.select("SELECT recorded_at FROM events.customer_events WHERE position = 1")
    moment = rfc3339(from_microseconds(rows[0]["recorded_at"]))
    assert gone in lines(await command_line.run("replay", "--merchant", M1, "--until", moment))
    assert await command_line.run("export", "--merchant", M1) == ""
    await swept(store)
    assert await command_line.run("replay", "--merchant", M1, "--compare") == ""


async def test_an_unknown_merchant_and_a_wrong_key_are_errors(
    store: Store, command_line: CommandLine
) -> None:
    await some_history(store)
    for command in ("replay", "export"):
        said = await command_line.run(command, "--merchant", "mer_nobody", status=1)
        assert said == "customers: there is no merchant mer_nobody"
    assert "leave out" in await command_line.run(
        "replay", "--merchant", M1, "--compare", "--until", "1", status=2
    )
    command_line.has(MasterKeys.generate_text())
    assert "master key" in await command_line.run("replay", "--merchant", M1, status=1)
