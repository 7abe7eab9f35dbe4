"""`customers history`: the timeline of one customer on the terminal."""

from __future__ import annotations

import json

from events.master_keys import MasterKeys
from events.store import Change
from tests.support.cases import ACME, JOHN, moment
from tests.support.store import C1, C2, M1, M2, Store
from tests.support.terminal import CommandLine


async def test_a_timeline_shows_each_event_with_its_differences_oldest_first(
    commanded_store: Store, command_line: CommandLine
) -> None:
    await commanded_store.create(C1, JOHN)
    await commanded_store.update(C1, name="Jo", metadata={"tier": "gold"})
    await commanded_store.delete(C1)
    lines = (await command_line.run("history", C1)).splitlines()
    kinds = [line.split()[2] for line in lines if not line.startswith(" ")]
    assert kinds == ["customer.created", "customer.updated", "customer.deleted"]
    assert "    email  - → john@example.com" in lines
    assert "    name           John Doe → Jo" in lines
    assert "    metadata.tier  - → gold" in lines


async def test_json_lines_are_the_items_of_the_api(commanded_store: Store, command_line: CommandLine) -> None:
    await commanded_store.create(C1, JOHN)
    await commanded_store.update(C1, phone="1")
    lines = [json.loads(line) for line in (await command_line.run("history", C1, "--json")).splitlines()]
    assert [line["version"] for line in lines] == [1, 2]
    assert lines[1]["changes"] == {"phone": {"from": None, "to": "1"}}
    assert list(lines[0]) == [
        "position",
        "version",
        "type",
        "recordedAt",
        "actor",
        "requestId",
        "correlationId",
        "idempotencyKeyHash",
        "changes",
    ]


async def test_a_long_history_comes_in_pages_without_gap_or_repetition(
    commanded_store: Store, command_line: CommandLine
) -> None:
    customer, _ = await commanded_store.create(C1, JOHN)
    data_key = (await commanded_store.load(C1)).data_key
    for version in range(2, 251):
        customer.update(customer.values | {"name": f"Name {version}"}, moment(version))
        await commanded_store.events.append(Change(customer, data_key, b"{}", 200))
    said = await command_line.run("history", C1, "--json")
    told = [json.loads(line) for line in said.splitlines()]
    assert [line["version"] for line in told] == list(range(1, 251))
    assert told[200]["changes"] == {"name": {"from": "Name 200", "to": "Name 201"}}


async def test_control_characters_of_a_value_do_not_reach_the_terminal(
    commanded_store: Store, command_line: CommandLine
) -> None:
    await commanded_store.create(C1, JOHN | {"name": "\x1b[2JHa\u202eha", "metadata": {"\x1b]0;x": "y"}})
    said = await command_line.run("history", C1)
    assert "\x1b" not in said
    assert "\u202e" not in said


async def test_a_customer_that_is_not_there_is_an_error(
    commanded_store: Store, command_line: CommandLine
) -> None:
    assert await command_line.run("history", C2, status=1) == f"customers: there is no customer {C2}"
    await commanded_store.create(C1, JOHN)
    said = await command_line.run("history", C1, "--merchant", M2, status=1)
    assert said == f"customers: there is no customer {C1} of {M2}"
    assert "no customer's id" in await command_line.run("history", "cus_1", status=2)


async def test_of_two_customers_with_one_id_one_has_to_be_named(
    commanded_store: Store, command_line: CommandLine
) -> None:
    await commanded_store.create(C1, JOHN)
    await commanded_store.create(C1, ACME, M2)
    assert "choose one with --merchant" in await command_line.run("history", C1, status=1)
    assert "john@example.com" in await command_line.run("history", C1, "--merchant", M1)
    assert "Jane Doe" in await command_line.run("history", C1, "--merchant", M2)


async def test_a_wrong_master_key_is_an_error(commanded_store: Store, command_line: CommandLine) -> None:
    await commanded_store.create(C1, JOHN)
    await command_line.run("history", C1)
    command_line.has(MasterKeys.generate_text())
    assert "master key" in await command_line.run("history", C1, status=1)
