"""`customers up`, run as a user runs it: readiness, stop, restart, and each way it refuses to start."""

from __future__ import annotations

import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from events.master_keys import MasterKeys
from service.embedded.postgres import EmbeddedPostgres
from tests.support.databases import TestDatabase
from tests.support.up import call, customers, customers_up
from tests.support.waiting import eventually

JOHN = {"email": "john@example.com", "name": "John Doe"}


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_it_announces_itself_when_it_is_ready_to_take_customers(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        running = up.wait_until_ready()
        status, customer = await call(running, "POST", "/v1/customers", JOHN)
        assert status == 201
        assert (await call(running, "GET", f"/v1/customers/{customer['id']}"))[1] == customer
        assert running.pid == up.process.pid
        assert running.nats_url is not None
        assert running.nats_url.startswith("nats://127.0.0.1:")


async def test_it_signs_ledgers_that_have_moved(data_dir: Path) -> None:
    often = {"CUSTOMERS_CHECKPOINT_SECONDS": "0.1", "CUSTOMERS_LOG_LEVEL": "info"}
    with customers_up(data_dir, often) as up:
        running = up.wait_until_ready()
        await call(running, "POST", "/v1/customers", JOHN)
        eventually(lambda: "checkpoints_signed" in up.said())
        assert "ledger_broken" not in up.said()


def test_what_it_prints_has_the_url_the_key_and_a_curl_line(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        running = up.wait_until_ready()
        eventually(lambda: "Ctrl-C" in up.said())
        assert f"curl -s {running.url}/v1/customers" in up.said()
        assert f"-H 'X-API-Key: {running.api_key}'" in up.said()


def test_every_secret_file_is_for_its_owner_alone(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        up.wait_until_ready()
        for name in ("dev.json", "master.key", "demo.key"):
            assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o600, name
        # Under root, PostgreSQL's user passes through the directory; nobody may look into it.
        assert stat.S_IMODE(data_dir.stat().st_mode) & 0o066 == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_and_postgresql_with_it(data_dir: Path, number: int) -> None:
    with customers_up(data_dir) as up:
        up.wait_until_ready()
        assert up.stop(number) == 0
        assert not (data_dir / "dev.json").exists()
        assert not EmbeddedPostgres(data_dir / "postgres").is_running
        assert "Traceback" not in up.said()


async def test_a_restart_finds_the_same_customers_under_the_same_key(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        first = up.wait_until_ready()
        _, customer = await call(first, "POST", "/v1/customers", JOHN)
        up.stop()
    with customers_up(data_dir) as up:
        second = up.wait_until_ready()
        assert (second.api_key, second.merchant_id) == (first.api_key, first.merchant_id)
        assert await call(second, "GET", f"/v1/customers/{customer['id']}") == (200, customer)


def has_ended(pid: int) -> bool:
    """Whether the process is gone; its adoptive parent may not have taken note of it yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_after_kill_9_it_adopts_the_postgresql_that_was_left_running(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        first = up.wait_until_ready()
        _, customer = await call(first, "POST", "/v1/customers", JOHN)
        up.process.kill()
        up.process.wait()
        assert (data_dir / "dev.json").exists()
        server = postgres_pid(data_dir)
        with customers_up(data_dir) as again:
            eventually(
                lambda: dev_json_is_of(data_dir, again.process.pid) or again.process.poll() is not None
            )
            second = again.wait_until_ready()
            assert second.pid == again.process.pid
            assert second.api_key == first.api_key
            assert postgres_pid(data_dir) == server
            assert await call(second, "GET", f"/v1/customers/{customer['id']}") == (200, customer)
            assert again.stop() == 0
            assert has_ended(server)


def test_a_second_up_on_the_same_directory_names_the_first(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        up.wait_until_ready()
        refused = customers("up", "--data-dir", str(data_dir), "--port", "0")
        assert refused.returncode == 1
        assert refused.stderr == (
            f"customers: another `customers up` is running on {data_dir} (process {up.process.pid})\n"
        )
        assert (data_dir / "dev.json").exists()


def test_a_port_in_use_is_told_before_anything_is_started(data_dir: Path, taken_port: int) -> None:
    with customers_up(data_dir, port=taken_port) as up:
        assert f"port {taken_port}" in up.fails()
        assert not (data_dir / "postgres").exists()
        assert not (data_dir / "master.key").exists()


def test_an_unreachable_database_is_told_without_its_password(data_dir: Path) -> None:
    url = "postgresql://app:hunter2@127.0.0.1:1/customers"
    with customers_up(data_dir, {"CUSTOMERS_DATABASE_URL": url}) as up:
        line = up.fails()
        assert "PostgreSQL at 127.0.0.1:1 cannot be reached" in line
        assert "hunter2" not in line
        assert not (data_dir / "master.key").exists()


def test_a_malformed_database_url_is_told_without_showing_it(data_dir: Path) -> None:
    with customers_up(data_dir, {"CUSTOMERS_DATABASE_URL": "hunter2"}) as up:
        assert "hunter2" not in up.fails()


def test_an_unknown_variable_is_told(data_dir: Path) -> None:
    with customers_up(data_dir, {"CUSTOMERS_DATABSE_URL": "x"}) as up:
        assert "CUSTOMERS_DATABSE_URL is not a setting" in up.fails()


async def test_a_wrong_master_key_is_refused_and_the_right_one_works_afterwards(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        running = up.wait_until_ready()
        _, customer = await call(running, "POST", "/v1/customers", JOHN)
        up.stop()
    with customers_up(data_dir, {"CUSTOMERS_MASTER_KEY": MasterKeys.generate_text()}) as up:
        assert "wrong master key" in up.fails()
    with customers_up(data_dir) as up:
        again = up.wait_until_ready()
        assert again.api_key == running.api_key
        assert await call(again, "GET", f"/v1/customers/{customer['id']}") == (200, customer)


def test_a_lost_master_key_is_not_replaced_by_a_new_one(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        up.wait_until_ready()
        up.stop()
    right = (data_dir / "master.key").rename(data_dir / "elsewhere.key")
    with customers_up(data_dir) as up:
        assert f"{data_dir / 'master.key'} does not exist" in up.fails()
    assert not (data_dir / "master.key").exists()
    with customers_up(data_dir, {"CUSTOMERS_MASTER_KEY_FILE": str(right)}) as up:
        up.wait_until_ready()


async def test_it_uses_the_database_that_the_environment_names(
    data_dir: Path, database: TestDatabase
) -> None:
    urls = {"CUSTOMERS_DATABASE_URL": database.url, "CUSTOMERS_ADMIN_DATABASE_URL": database.admin_url}
    with customers_up(data_dir, urls) as up:
        running = up.wait_until_ready()
        assert (running.database_url, running.admin_database_url) == (database.url, database.admin_url)
        assert (await call(running, "POST", "/v1/customers", JOHN))[0] == 201
        assert not (data_dir / "postgres").exists()
        assert up.stop() == 0


async def test_a_postgresql_that_dies_is_started_again(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        running = up.wait_until_ready()
        dead = psutil.Process(postgres_pid(data_dir))
        dead.kill()
        psutil.wait_procs([dead], timeout=30)
        eventually(lambda: "PostgreSQL is gone" in up.said() and postgres_is_ready(data_dir))
        assert (await call(running, "POST", "/v1/customers", JOHN))[0] in (201, 503)


def postgres_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])


def postgres_is_ready(data_dir: Path) -> bool:
    try:
        lines = (data_dir / "postgres" / "data" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return lines[-1].strip() == "ready"


def dev_json_is_of(data_dir: Path, pid: int) -> bool:
    try:
        return f'"pid": {pid}' in (data_dir / "dev.json").read_text()
    except FileNotFoundError:
        return False
