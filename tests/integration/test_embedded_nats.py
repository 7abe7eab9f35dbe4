"""The embedded NATS: start, stop, adoption, crash, ports that others took, and `customers up` watching it."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from service.embedded.nats import EmbeddedNats
from service.embedded.nats_program import EmbeddedNatsError, greeting, quoted
from tests.support.directories import short_directory
from tests.support.nats_servers import VOLATILE, fresh_nats, raw_jetstream
from tests.support.up import customers, customers_up
from tests.support.waiting import eventually

START = """
import sys
from pathlib import Path
from service.embedded.nats import EmbeddedNats
EmbeddedNats(Path(sys.argv[1])).start()
print("started", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def server() -> Iterator[EmbeddedNats]:
    with short_directory() as directory:
        made = EmbeddedNats(directory / "nats", sync_interval=VOLATILE)
        try:
            yield made
        finally:
            made.stop()


def server_pid(directory: Path) -> int:
    return int((directory / "pid").read_text())


def port_of(server: EmbeddedNats) -> int:
    return int(server.url.rpartition(":")[2])


def kill(pid: int) -> None:
    process = psutil.Process(pid)
    process.kill()
    eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


async def test_a_started_server_keeps_streams(server: EmbeddedNats) -> None:
    server.start()
    assert server.is_running
    async with raw_jetstream(server.url) as js:
        await js.add_stream(name="KEPT", subjects=["kept.>"])
        assert (await js.publish("kept.one", b"1")).seq == 1


async def test_streams_and_the_port_survive_a_stop_and_a_start(server: EmbeddedNats) -> None:
    server.start()
    url = server.url
    async with raw_jetstream(url) as js:
        await js.add_stream(name="KEPT", subjects=["kept.>"])
        await js.publish("kept.one", b"1")
    server.stop()
    assert not server.is_running
    with fresh_nats(server.directory) as again:
        assert again.url == url
        async with raw_jetstream(url) as js:
            assert (await js.get_msg("KEPT", seq=1)).data == b"1"


async def test_what_was_acknowledged_survives_kill_9(server: EmbeddedNats) -> None:
    server.start()
    async with raw_jetstream(server.url) as js:
        await js.add_stream(name="KEPT", subjects=["kept.>"])
        await js.publish("kept.one", b"1")
    kill(server_pid(server.directory))
    assert not server.is_running
    server.start()
    async with raw_jetstream(server.url) as js:
        assert (await js.get_msg("KEPT", seq=1)).data == b"1"


def test_by_default_every_message_is_on_disk_before_it_is_acknowledged() -> None:
    with short_directory() as directory:
        server = EmbeddedNats(directory / "nats")
        try:
            server.start()
            assert "sync_interval: always" in (server.directory / "nats.conf").read_text()
        finally:
            server.stop()


def test_it_listens_on_loopback_alone_and_its_files_are_private(server: EmbeddedNats) -> None:
    server.start()
    listening = psutil.Process(server_pid(server.directory)).net_connections("tcp")
    assert {(one.laddr.ip, one.laddr.port) for one in listening if one.status == psutil.CONN_LISTEN} == {
        ("127.0.0.1", port_of(server))
    }
    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700
    for name in ("nats.conf", "log", "pid", "port"):
        assert stat.S_IMODE((server.directory / name).stat().st_mode) & 0o077 == 0, name


def test_it_learns_no_secret_of_our_environment(
    server: EmbeddedNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUSTOMERS_MASTER_KEY", "hunter2")
    server.start()
    assert "hunter2" not in psutil.Process(server_pid(server.directory)).environ().values()


def test_a_signal_to_our_process_group_does_not_reach_it(server: EmbeddedNats) -> None:
    server.start()
    assert os.getsid(server_pid(server.directory)) != os.getsid(0)


def test_the_server_of_a_killed_parent_is_adopted_and_can_be_stopped(server: EmbeddedNats) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START, server.directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        pid = server_pid(server.directory)
        parent.kill()
    server.start()
    assert server_pid(server.directory) == pid
    assert greeting(port_of(server))["jetstream"] is True
    server.stop()
    assert not server.is_running


def test_a_server_whose_pid_file_is_missing_is_adopted_all_the_same(server: EmbeddedNats) -> None:
    server.start()
    pid = server_pid(server.directory)
    (server.directory / "pid").unlink()
    other = EmbeddedNats(server.directory)
    other.start()
    assert other.is_running
    assert [process.pid for process in psutil.process_iter() if is_of(process, server)] == [pid]


def is_of(process: psutil.Process, server: EmbeddedNats) -> bool:
    try:
        return str(server.directory / "nats.conf") in process.cmdline()
    except psutil.Error:
        return False


def test_a_pid_file_with_a_strangers_process_id_neither_hinders_nor_harms(server: EmbeddedNats) -> None:
    server.start()
    server.stop()
    (server.directory / "pid").write_text(str(os.getpid()))
    assert not server.is_running
    server.stop()
    server.start()
    assert server.is_running


def test_a_port_that_somebody_took_meanwhile_is_replaced_by_another(server: EmbeddedNats) -> None:
    server.start()
    taken = port_of(server)
    server.stop()
    with socket.create_server(("127.0.0.1", taken)), fresh_nats(server.directory) as again:
        assert port_of(again) != taken


def test_a_port_that_clients_know_is_not_changed_behind_their_backs(server: EmbeddedNats) -> None:
    server.start()
    server.stop()
    with (
        socket.create_server(("127.0.0.1", port_of(server))),
        pytest.raises(EmbeddedNatsError, match="is taken"),
    ):
        server.start()
    server.start()
    assert server.is_running


def test_what_the_server_complains_of_is_told_in_one_line(server: EmbeddedNats) -> None:
    server.directory.mkdir()
    server.data.write_text("a file where a directory should be")
    with pytest.raises(EmbeddedNatsError) as raised:
        server.start()
    assert "NATS did not start: " in str(raised.value)
    assert str(server.log) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_directory_name_with_spaces_and_quotes_works() -> None:
    with short_directory() as directory, fresh_nats(directory / 'it\'s a "dir" $HOME\\') as server:
        assert server.is_running
        assert server.data.exists()


def test_strings_of_the_configuration_are_quoted() -> None:
    assert quoted('a "b" \\c') == r'"a \"b\" \\c"'


def test_stopping_a_stopped_server_does_nothing(server: EmbeddedNats) -> None:
    server.stop()
    assert not server.is_running


def test_a_server_that_was_never_started_has_no_url(server: EmbeddedNats) -> None:
    with pytest.raises(EmbeddedNatsError, match="no NATS was started"):
        _ = server.url


async def test_up_starts_nats_and_stops_it(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        running = up.wait_until_ready()
        assert running.nats_url is not None
        async with raw_jetstream(running.nats_url) as js:
            await js.account_info()
        assert up.stop() == 0
        assert not EmbeddedNats(data_dir / "nats").is_running


async def test_up_starts_a_killed_nats_again_at_the_same_url(data_dir: Path) -> None:
    with customers_up(data_dir) as up:
        running = up.wait_until_ready()
        assert running.nats_url is not None
        port = int(running.nats_url.rpartition(":")[2])
        kill(server_pid(data_dir / "nats"))
        eventually(lambda: "NATS is gone; starting it again" in up.said() and greeting(port) != {})
        async with raw_jetstream(running.nats_url) as js:
            await js.account_info()


def test_up_uses_the_nats_that_the_environment_names(data_dir: Path, nats_server: EmbeddedNats) -> None:
    with customers_up(data_dir, {"CUSTOMERS_NATS_URL": nats_server.url}) as up:
        assert up.wait_until_ready().nats_url == nats_server.url
        assert not (data_dir / "nats").exists()


def test_up_tells_in_one_line_that_nats_cannot_start(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "nats").write_text("a file where a directory should be")
    said = customers("up", "--data-dir", str(data_dir), "--port", "0")
    assert said.returncode == 1
    assert said.stderr.startswith("customers: NATS cannot keep its data here: ")
    assert len(said.stderr.splitlines()) == 1
