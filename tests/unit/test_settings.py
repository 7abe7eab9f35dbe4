"""The settings: defaults, the environment, what is refused, what stays secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import PREFIX, Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


def test_nothing_needs_to_be_set() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.data_dir) == ("127.0.0.1", 8080, Path(".customers"))
    assert (settings.lanes, settings.queue_limit, settings.read_connections) == (1, 4096, 2)
    assert (settings.shutdown_seconds, settings.append_deadline_seconds) == (10, 5)
    assert (settings.database_url, settings.admin_url, settings.nats_url) == (None, None, None)
    assert settings.master_key is None
    assert (settings.header_seconds, settings.body_seconds, settings.idle_seconds) == (10, 30, 75)
    assert (settings.max_connections, settings.trusted_proxies) == (10_000, ())


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERS_PORT", "9000")
    monkeypatch.setenv("CUSTOMERS_DATABASE_URL", "postgresql://app@db.example.com/customers")
    settings = load_settings()
    assert settings.port == 9000
    assert settings.database_url == "postgresql://app@db.example.com/customers"


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERS_PORT", "9000")
    assert load_settings(port=9001).port == 9001
    assert load_settings(port=None).port == 9000


def test_a_file_of_the_secrets_directory_stands_for_a_variable_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "customers_database_url").write_text("postgresql://app:hunter2@db.example.com/customers\n")
    (tmp_path / "customers_port").write_text("9000\n")
    (tmp_path / "another_secret").write_text("not ours")
    monkeypatch.setenv("CUSTOMERS_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("CUSTOMERS_PORT", "9001")
    settings = load_settings()
    assert settings.database_url == "postgresql://app:hunter2@db.example.com/customers"
    assert settings.port == 9001


def test_a_secrets_directory_that_is_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUSTOMERS_SECRETS_DIR", str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match="missing is no directory"):
        load_settings()


@pytest.mark.parametrize(
    "text", ["10.0.0.0/8,192.0.2.1", "10.0.0.0/8, 192.0.2.1", " 10.0.0.0/8  192.0.2.1/32 "]
)
def test_a_list_of_networks_has_commas_or_spaces_between(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CUSTOMERS_TRUSTED_PROXIES", text)
    assert [str(network) for network in load_settings().trusted_proxies] == ["10.0.0.0/8", "192.0.2.1/32"]


@pytest.mark.parametrize("text", ["proxy.example.com", "10.0.0.1/8", "[]", "10.0.0.0/8;192.0.2.1"])
def test_a_list_that_has_something_else_is_refused_by_its_variables_name(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("CUSTOMERS_TRUSTED_PROXIES", text)
    with pytest.raises(SettingsError, match=r"^CUSTOMERS_TRUSTED_PROXIES"):
        load_settings()


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERS_DATABASE_URL", "")
    assert load_settings().database_url is None


def test_an_unknown_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERS_DATABSE_URL", "postgresql://app:secret@db.example.com/customers")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "CUSTOMERS_DATABSE_URL is not a setting" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_value_that_does_not_fit_is_refused_in_one_line_without_showing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUSTOMERS_PORT", "hunter2")
    with pytest.raises(SettingsError, match=r"^CUSTOMERS_PORT: ") as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_settings_are_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]  # that it is refused is the point


def test_secrets_are_not_shown() -> None:
    settings = load_settings(
        database_url="postgresql://app:hunter2@db.example.com/customers",
        admin_database_url="postgresql://admin:hunter2@db.example.com/customers",
        nats_url="nats://user:hunter2@nats.example.com",
        master_key="hunter2",
    )
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)


def test_the_administrator_is_the_application_where_there_is_no_other() -> None:
    application, administrator = "postgresql://app@/customers", "postgresql://admin@/customers"
    assert load_settings(database_url=application).admin_url == application
    assert (
        load_settings(database_url=application, admin_database_url=administrator).admin_url == administrator
    )


def test_the_master_key_is_in_the_data_directory_unless_said_otherwise() -> None:
    assert load_settings(data_dir=Path("here")).master_key_path == Path("here/master.key")
    assert load_settings(master_key_file=Path("/run/secrets/master")).master_key_path == Path(
        "/run/secrets/master"
    )
