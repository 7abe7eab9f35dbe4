"""`customers parked`: what was parked is listed, retried and skipped from the terminal."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence

import pytest

from projections.delivery import Delivery
from projections.parking import park_customer
from service.cli import main
from service.settings import PREFIX
from tests.support.billing import charge, delivered, opened_billing
from tests.support.databases import TestDatabase
from tests.support.store import C1, M1, M2, NOWHERE, make_merchants


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, database: TestDatabase) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CUSTOMERS_DATABASE_URL", database.url)
    monkeypatch.setenv("CUSTOMERS_ADMIN_DATABASE_URL", database.admin_url)


class Terminal:
    """Runs `customers parked`; returns what it said."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def run(self, *arguments: object, status: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["parked", *map(str, arguments)])
        said = self._capture.readouterr()
        assert (ended.value.code or 0) == status, said
        return (said.out or said.err).strip()

    def listed(self, *arguments: object) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = json.loads(self.run("list", "--json", *arguments))
        return rows


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


def arrive(
    database: TestDatabase, deliveries: Sequence[Delivery], merchants: Sequence[str] = (M1, M2)
) -> None:
    """Merchants and messages, before the command runs."""

    async def work() -> None:
        await make_merchants(database, *merchants)
        async with opened_billing(database) as projection:
            await projection.apply(*deliveries, batch=1)

    asyncio.run(work())


def test_what_is_parked_is_listed_for_people_and_for_programs(
    terminal: Terminal, database: TestDatabase
) -> None:
    arrive(database, [delivered(charge(amount="x"), {"X-Odd": "\udcff"}), delivered(b"\xff{")])
    first, second = terminal.listed()
    assert (first["projection"], first["status"], first["merchant"]) == ("billing", "parked", M1)
    assert (first["attempts"], first["headers"]) == (1, {"X-Odd": "?"})
    assert '"amount": "x"' in str(first["body"])
    assert second["reason"] == "the body is not UTF-8 at byte 0"
    table = terminal.run("list")
    assert "data.amount must be a decimal" in table
    assert "orderId" not in table


def test_lists_can_be_of_one_projection_or_merchant(terminal: Terminal, database: TestDatabase) -> None:
    arrive(database, [delivered(charge(amount="x")), delivered(charge(amount="x", merchant=M2))])
    assert [row["merchant"] for row in terminal.listed("--merchant", M2)] == [M2]
    assert len(terminal.listed("--projection", "billing")) == 2
    assert terminal.listed("--projection", "customers") == []


def test_a_retry_says_what_is_applied_and_what_stays(terminal: Terminal, database: TestDatabase) -> None:
    arrive(database, [delivered(charge(merchant=NOWHERE)), delivered(charge(amount="x"))])
    early, bad = [row["id"] for row in terminal.listed()]
    arrive(database, [], [NOWHERE])
    assert terminal.run("retry", early) == f"{early} is applied"
    said = terminal.run("retry", bad, status=1)
    assert said.startswith(f"{bad} stays parked: data.amount must be")
    assert [row["attempts"] for row in terminal.listed()] == [2]


def test_all_that_is_parked_can_be_retried_and_skipped_at_once(
    terminal: Terminal, database: TestDatabase
) -> None:
    arrive(database, [delivered(charge(amount="x")), delivered(charge(amount="y"))])
    first, second = [row["id"] for row in terminal.listed()]
    assert terminal.run("skip", first) == f"{first} is skipped"
    assert terminal.run("retry", "--all", status=1).startswith(f"{second} stays parked")
    assert terminal.run("skip", "--all") == f"{second} is skipped"
    assert terminal.run("retry", "--all") == ""
    assert [row["status"] for row in terminal.listed()] == ["skipped"] * 2
    assert "stays skipped" in terminal.run("retry", first, status=1)


def test_nothing_is_done_if_one_of_the_ids_is_unknown(terminal: Terminal, database: TestDatabase) -> None:
    arrive(database, [delivered(charge(amount="x"))])
    (known,) = [row["id"] for row in terminal.listed()]
    assert terminal.run("skip", known, 404, status=1) == "customers: nothing is parked as 404"
    assert [row["status"] for row in terminal.listed()] == ["parked"]


def test_a_parked_customer_is_listed_beside_messages(terminal: Terminal, database: TestDatabase) -> None:
    async def work() -> None:
        async with opened_billing(database) as projection, projection.database.transaction() as transaction:
            await park_customer(transaction, M1, C1, "broken")

    asyncio.run(work())
    (parked,) = terminal.listed("--projection", "customers")
    assert (parked["customer"], parked["subject"], parked["reason"]) == (C1, None, "broken")


@pytest.mark.parametrize("command", ["retry", "skip"])
@pytest.mark.parametrize("arguments", [[], ["--all", "1"], ["x"]])
def test_ids_or_all_of_them_are_wanted(terminal: Terminal, command: str, arguments: list[str]) -> None:
    terminal.run(command, *arguments, status=2)
