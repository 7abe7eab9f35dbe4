"""The list of erasures outlives the database: no restored backup brings anybody back unnoticed (F40)."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from events.erasure import KIND
from events.master_keys import MasterKeys
from events.signing import is_signed, public_keys
from service.audit.erasure_list import open_list, prove_erasures, read_list
from service.embedded.postgres import EmbeddedPostgres
from service.errors import StartupError
from service.settings import Settings
from tests.support.api import Client, Operator, client_session, operating, serving
from tests.support.commands import customers
from tests.support.databases import TestDatabase, fresh_database
from tests.support.ledger import check_ledger
from tests.support.serve import Started, comes_about, started

ALL = frozenset({"read", "write", "erase"})
TEXT = MasterKeys.generate_text()
KEYS = MasterKeys.from_text(TEXT)
NOBODY = "cus_01jd4q8w9zexampxexampxe000"


@pytest.fixture
def path(data_dir: Path) -> Path:
    """Where the list is."""
    return data_dir.parent / "erasures"


@asynccontextmanager
async def listing(
    database: TestDatabase, path: Path | None, merchant_id: str | None = None
) -> AsyncIterator[tuple[Client, Operator, str]]:
    """A client that may do everything at an API that keeps the list, and its (new, unless given) merchant."""
    async with (
        operating(database, KEYS) as operator,
        serving(Settings(erasure_list=path), database.url, KEYS) as url,
        client_session() as session,
    ):
        merchant_id = merchant_id or await operator.merchant()
        _, key = await operator.key(merchant_id, ALL)
        yield Client(session, url, key), operator, merchant_id


async def created(client: Client, count: int) -> list[str]:
    """The ids of so many new customers."""
    return [(await client.created(email=f"{number}@example.com"))["id"] for number in range(count)]


async def erase(client: Client, customer_id: str) -> Any:
    """The certificate, or the status of a refusal."""
    answer = await client.request("POST", f"/v1/customers/{customer_id}/erase")
    return answer.json() if answer.status == 200 else answer.status


async def erased(client: Client, ids: Sequence[str]) -> list[Any]:
    """The certificates of all these."""
    return [await erase(client, customer_id) for customer_id in ids]


def lines(path: Path) -> list[Any]:
    """What the list tells."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def environment(database: TestDatabase, path: Path | None = None) -> dict[str, str]:
    """The variables of a process that keeps the list here."""
    listing = {} if path is None else {"CUSTOMERS_ERASURE_LIST": str(path)}
    return {
        "CUSTOMERS_DATABASE_URL": database.url,
        "CUSTOMERS_NATS_URL": "nats://127.0.0.1:1",
        "CUSTOMERS_MASTER_KEY": TEXT.strip(),
    } | listing


async def test_each_erasure_is_a_signed_line_of_a_file_of_ours_alone(
    database: TestDatabase, path: Path
) -> None:
    async with listing(database, path) as (client, _, _):
        ids = await created(client, 3)
        certificates = await erased(client, ids)
        assert await erase(client, ids[0]) == certificates[0]
    assert lines(path) == certificates
    assert all(is_signed(KIND, told, public_keys(KEYS)) for told in certificates)
    check_file(path)


def check_file(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"example.com" not in path.read_bytes()


async def test_erasures_that_were_committed_and_not_listed_are_listed_at_the_start(
    database: TestDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("events.erasure.PAGE", 2)
    async with listing(database, path) as (client, operator, _):
        certificates = await erased(client, await created(client, 5))
        tear_second_line(path)
        for _ in range(2):
            await open_list(path, operator.admin, KEYS)
            assert sorted(lines(path), key=lambda told: told["position"]) == certificates


def tear_second_line(path: Path) -> None:
    """As if it had been under way when the machine went down, and the others had never been."""
    first, second, *_ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[:100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def tail(path: Path) -> str:
    """What comes after the last whole line."""
    return path.read_text().rpartition("\n")[2]


@pytest.mark.parametrize("line", ["{}", "[]", "no JSON", ""])
def test_a_line_that_is_no_certificate_of_ours_is_refused(path: Path, line: str) -> None:
    path.write_text(line + "\n")
    with pytest.raises(StartupError, match="line 1 of the list of erasures"):
        read_list(path, KEYS)


async def test_a_certificate_that_was_changed_or_signed_by_another_refuses_the_start(
    database: TestDatabase, path: Path
) -> None:
    async with listing(database, path) as (client, _, _):
        await erased(client, await created(client, 1))
    with pytest.raises(StartupError, match="line 1 of the list of erasures"):
        read_list(path, MasterKeys.from_text(MasterKeys.generate_text()))
    change_certificate(path)
    with pytest.raises(StartupError, match="line 1 of the list of erasures"):
        await prove_erasures(path, database.url, KEYS)


def change_certificate(path: Path) -> None:
    path.write_text(json.dumps(lines(path)[0] | {"customerId": NOBODY}) + "\n")


async def test_a_list_that_cannot_be_written_is_told_and_asking_again_lists_it(
    database: TestDatabase, path: Path
) -> None:
    async with listing(database, path) as (client, _, _):
        (customer_id,) = await created(client, 1)
        await asyncio.to_thread(path.unlink)
        await asyncio.to_thread(path.mkdir)
        assert await erase(client, customer_id) == 503
        assert (await client.get(customer_id)).json()["deleted"]
        await asyncio.to_thread(path.rmdir)
        assert [await erase(client, customer_id)] == lines(path)


async def test_a_list_that_could_not_be_written_refuses_the_start(database: TestDatabase, path: Path) -> None:
    with pytest.raises(StartupError, match="cannot be written"):
        await prove_erasures(path / "nowhere", database.url, KEYS)


async def test_a_restored_backup_is_refused_until_the_list_was_applied_again(
    migrated_postgres: EmbeddedPostgres, database: TestDatabase, path: Path
) -> None:
    async with listing(database, None) as (client, _, merchant_id):
        ids = await created(client, 3)
    async with fresh_database(migrated_postgres, database.name) as backup:
        async with listing(database, path, merchant_id) as (client, _, _):
            newer = await client.created(email="newer@example.com")
            await erased(client, [*ids[:2], newer["id"]])
        for command in ("relay", "project"):
            async with started(environment(backup, path), command) as process:
                assert await process.ended() == 1
                assert "this database has 2 of the customers back" in process.said()
                assert f"`customers erase --reapply {path}`" in process.said()
        with pytest.raises(StartupError, match="2 of the customers back"):
            async with listing(backup, path, merchant_id):
                pass
        said = await customers(environment(backup), "erase", "--reapply", str(path))
        assert said == "3 listed: 2 erased again, 0 erased already, 1 not in this database"
        assert len(lines(path)) == 5
        said = await customers(environment(backup, path), "erase", "--reapply", str(path))
        assert said == "3 listed: 0 erased again, 2 erased already, 1 not in this database"
        assert await check_ledger(backup.admin_url, KEYS, published=False) == {merchant_id: 5}
        async with listing(backup, path, merchant_id) as (client, _, _):
            assert [(await client.get(one)).json().get("deleted") for one in ids] == [True, True, None]
            assert [told["actor"] for told in lines(path)[3:]] == ["operator"] * 2


async def test_of_two_certificates_of_one_person_the_later_fits_the_restored_ledger(
    migrated_postgres: EmbeddedPostgres, database: TestDatabase, path: Path
) -> None:
    async with listing(database, None) as (client, _, merchant_id):
        (customer_id,) = await created(client, 1)
    async with fresh_database(migrated_postgres, database.name) as backup:
        async with listing(database, path, merchant_id) as (client, _, _):
            await erase(client, customer_id)
        await customers(environment(backup), "erase", "--reapply", str(path))
        before, after = lines(path)
        assert all(is_signed(KIND, told, public_keys(KEYS)) for told in (before, after))
        assert before["hash"] != after["hash"]
        async with listing(backup, path, merchant_id) as (client, _, _):
            assert await erase(client, customer_id) == after


async def test_a_list_that_is_cut_or_empty_is_not_applied_in_silence(
    database: TestDatabase, path: Path
) -> None:
    async with listing(database, path) as (client, _, _):
        ids = await created(client, 2)
        await erased(client, ids)
    tear_second_line(path)
    said = await customers(environment(database), "erase", "--reapply", str(path), status=1)
    told, complaint = said.splitlines()
    assert told == "1 listed: 0 erased again, 1 erased already, 0 not in this database"
    assert complaint.startswith(f"customers: line 2 is cut: {path} is not whole.")
    assert complaint.endswith("What there is of it: " + tail(path))
    empty(path)
    said = await customers(environment(database), "erase", "--reapply", str(path), status=1)
    assert said.startswith(f"customers: {path} tells of no erasure: nobody was erased again.")


async def test_a_start_without_a_list_warns_once_anybody_was_erased(database: TestDatabase) -> None:
    for erasures in (0, 1):
        async with started(environment(database), "serve", "--port", "0") as process:

            async def is_ready(process: Started = process) -> bool:
                return "listening on" in process.said()

            await comes_about(is_ready, what="readiness")
            assert process.said().count("no_erasure_list") == erasures
        async with listing(database, None) as (client, _, _):
            await erased(client, await created(client, 1))
    async with started(environment(database), "relay") as process:

        async def has_warned(process: Started = process) -> bool:
            return "CUSTOMERS_ERASURE_LIST is not set" in process.said()

        await comes_about(has_warned, what="the relay's warning")


async def test_the_command_erases_one_customer_and_prints_its_certificate(
    database: TestDatabase, path: Path
) -> None:
    async with listing(database, None) as (client, _, merchant_id):
        (customer_id,) = await created(client, 1)
        of = ("--merchant", merchant_id)
        assert "--yes" in await customers(environment(database), "erase", customer_id, *of, status=2)
        assert (await client.get(customer_id)).version == 1
        told = json.loads(await customers(environment(database, path), "erase", customer_id, *of, "--yes"))
        assert (told["customerId"], told["actor"]) == (customer_id, "operator")
        assert await erase(client, customer_id) == told
    assert lines(path) == [told]
    said = await customers(environment(database), "erase", NOBODY, *of, "--yes", status=1)
    assert said == f"customers: {NOBODY} of {merchant_id}: No such customer"
