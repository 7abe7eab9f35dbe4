"""The commands that run alone: merchants, keys, migrate, and how each finds its database."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from events.master_keys import MasterKeys
from service.cli import main
from service.embedded.data_directory import Announcement, DataDirectory
from service.embedded.postgres import EmbeddedPostgres
from service.key_format import parse_key_text
from service.settings import PREFIX
from tests.support.databases import TestDatabase


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CUSTOMERS_DATA_DIR", str(data_dir))


@pytest.fixture
def named_database(monkeypatch: pytest.MonkeyPatch, database: TestDatabase) -> TestDatabase:
    monkeypatch.setenv("CUSTOMERS_DATABASE_URL", database.url)
    monkeypatch.setenv("CUSTOMERS_ADMIN_DATABASE_URL", database.admin_url)
    monkeypatch.setenv("CUSTOMERS_MASTER_KEY", MasterKeys.generate_text())
    return database


class Terminal:
    """Runs commands; returns what they said."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def run(self, *arguments: str, status: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = self._capture.readouterr()
        assert (ended.value.code or 0) == status, said.err
        return (said.err if status else said.out).strip()


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


def test_help_names_every_command(terminal: Terminal) -> None:
    said = terminal.run("--help")
    commands = "up demo serve relay project erase migrate history replay export rebuild merchants keys parked"
    for command in commands.split():
        assert command in said


def test_a_merchant_is_created_listed_and_deactivated(
    terminal: Terminal, named_database: TestDatabase
) -> None:
    merchant_id = terminal.run("merchants", "create", "--live", "--currency", "EUR")
    assert merchant_id.startswith("mer_")
    terminal.run("merchants", "deactivate", merchant_id)
    (listed,) = json.loads(terminal.run("merchants", "list", "--json"))
    assert (listed["id"], listed["live"], listed["currency"]) == (merchant_id, True, "EUR")
    assert listed["status"] == "inactive"


def test_a_merchants_id_can_be_chosen_once(terminal: Terminal, named_database: TestDatabase) -> None:
    terminal.run("merchants", "create", "--id", "mer_acme")
    said = terminal.run("merchants", "create", "--id", "mer_acme", status=1)
    assert said == "customers: there is a merchant mer_acme already"


def test_deactivating_an_unknown_merchant_is_an_error(
    terminal: Terminal, named_database: TestDatabase
) -> None:
    assert "mer_nobody" in terminal.run("merchants", "deactivate", "mer_nobody", status=1)


def test_a_key_is_created_listed_without_its_text_and_revoked(
    terminal: Terminal, named_database: TestDatabase
) -> None:
    merchant_id = terminal.run("merchants", "create")
    text = terminal.run("keys", "create", merchant_id, "--name", "shop [1]", "--allow", "10.1.2.3/8")
    parsed = parse_key_text(text)
    assert parsed is not None
    assert not parsed.live
    (key,) = json.loads(terminal.run("keys", "list", "--json"))
    assert (key["id"], key["name"], key["from"]) == (parsed.key_id, "shop [1]", ["10.0.0.0/8"])
    assert key["scopes"] == ["read", "write"]
    assert key["limit"] == 500
    table = terminal.run("keys", "list", "--merchant", merchant_id)
    assert parsed.key_id in table
    assert "shop [1]" in table
    assert text not in table
    terminal.run("keys", "revoke", parsed.key_id)
    assert json.loads(terminal.run("keys", "list", "--json"))[0]["revoked"] is not None


def test_a_keys_rate_limit_can_be_chosen_and_changed(
    terminal: Terminal, named_database: TestDatabase
) -> None:
    merchant_id = terminal.run("merchants", "create")
    parsed = parse_key_text(terminal.run("keys", "create", merchant_id, "--rate-limit", "50"))
    assert parsed is not None

    def limit() -> int:
        (key,) = json.loads(terminal.run("keys", "list", "--json"))
        return int(key["limit"])

    assert limit() == 50
    assert terminal.run("keys", "limit", parsed.key_id, "0") == f"{parsed.key_id}: no limit"
    assert limit() == 0
    assert terminal.run("keys", "limit", parsed.key_id, "7") == f"{parsed.key_id}: 7 requests a second"
    assert limit() == 7
    assert "equal to 0" in terminal.run("keys", "limit", parsed.key_id, "--", "-1", status=2)
    terminal.run("keys", "revoke", parsed.key_id)
    assert "in force" in terminal.run("keys", "limit", parsed.key_id, "9", status=1)
    assert limit() == 7


def test_the_key_of_a_live_merchant_is_a_live_key(terminal: Terminal, named_database: TestDatabase) -> None:
    merchant_id = terminal.run("merchants", "create", "--live")
    assert terminal.run("keys", "create", merchant_id, "--scope", "audit").startswith("sk_live_")


def test_a_key_for_an_unknown_merchant_is_an_error(terminal: Terminal, named_database: TestDatabase) -> None:
    assert (
        terminal.run("keys", "create", "mer_nobody", status=1) == "customers: there is no merchant mer_nobody"
    )


def test_a_key_is_not_made_under_a_wrong_master_key(
    terminal: Terminal, named_database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant_id = terminal.run("merchants", "create")
    terminal.run("keys", "create", merchant_id)
    monkeypatch.setenv("CUSTOMERS_MASTER_KEY", MasterKeys.generate_text())
    assert "master key" in terminal.run("keys", "create", merchant_id, status=1)


def test_wrong_usage_ends_with_status_2(terminal: Terminal) -> None:
    assert "nonsense" in terminal.run("keys", "create", "mer_x", "--allow", "nonsense", status=2)
    assert "65535" in terminal.run("up", "--port", "65536", status=2)


def test_migrating_what_is_up_to_date_says_so(terminal: Terminal, named_database: TestDatabase) -> None:
    assert terminal.run("migrate") == "the schema is up to date"


def test_without_a_database_a_command_says_where_one_could_be_named(
    terminal: Terminal, data_dir: Path
) -> None:
    said = terminal.run("merchants", "list", status=1)
    assert str(data_dir) in said
    assert "CUSTOMERS_DATABASE_URL" in said
    assert not data_dir.exists()


def test_a_command_finds_the_database_of_a_running_up(
    terminal: Terminal, data_dir: Path, database: TestDatabase
) -> None:
    directory = DataDirectory(data_dir)
    directory.prepare()
    with directory.locked():
        directory.announce(announcement(database))
        assert terminal.run("migrate", "--data-dir", str(data_dir)) == "the schema is up to date"


def test_the_announcement_that_a_killed_up_left_behind_is_ignored(
    terminal: Terminal, data_dir: Path, database: TestDatabase
) -> None:
    directory = DataDirectory(data_dir)
    directory.prepare()
    with directory.locked():
        directory.announce(announcement(database))
    assert "no database" in terminal.run("migrate", status=1)


def test_serving_without_a_master_key_is_an_error(
    terminal: Terminal, data_dir: Path, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTOMERS_DATABASE_URL", database.url)
    assert "there is no master key" in terminal.run("serve", "--port", "0", status=1)


def announcement(database: TestDatabase) -> Announcement:
    return Announcement(
        url="http://127.0.0.1:1",
        api_key="sk_test_x",
        merchant_id="mer_x",
        database_url=database.url,
        admin_database_url=database.admin_url,
        nats_url=None,
        pid=os.getpid(),
    )


@pytest.mark.parametrize("merchant_id", ["a b", "mer.x", "mer*", "mer>", "", "x" * 65, "mer\n"])
def test_an_id_that_could_mean_something_elsewhere_is_refused(
    terminal: Terminal, named_database: TestDatabase, merchant_id: str
) -> None:
    assert "1 to 64" in terminal.run("merchants", "create", "--id", merchant_id, status=2)


@pytest.mark.parametrize("currency", ["usd", "", "U", "€"])
def test_a_currency_that_is_none_is_refused(
    terminal: Terminal, named_database: TestDatabase, currency: str
) -> None:
    assert "currency" in terminal.run("merchants", "create", "--currency", currency, status=2)


def test_a_master_key_is_made_for_keeping(terminal: Terminal) -> None:
    assert MasterKeys.from_text(terminal.run("master-key")).versions == [1]


def test_the_version_is_told(terminal: Terminal) -> None:
    assert terminal.run("--version").startswith("customers ")


def test_a_database_without_our_schema_says_what_to_run(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, migrated_postgres: EmbeddedPostgres
) -> None:
    monkeypatch.setenv("CUSTOMERS_DATABASE_URL", migrated_postgres.url("postgres"))
    assert "run `customers migrate`" in terminal.run("keys", "list", status=1)


def test_who_serves_is_not_the_administrator(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERS_ADMIN_DATABASE_URL", "postgresql://owner:SECRET@127.0.0.1:1/customers")
    said = terminal.run("serve", status=1)
    assert "CUSTOMERS_DATABASE_URL is not" in said
    assert "SECRET" not in said


def test_an_unreachable_database_is_named_without_its_password(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTOMERS_DATABASE_URL", "postgresql://api:SECRET@127.0.0.1:1/customers")
    said = terminal.run("migrate", status=1)
    assert "PostgreSQL at 127.0.0.1:1 cannot be reached" in said
    assert "SECRET" not in said
