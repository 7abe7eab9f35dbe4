"""The embedded PostgreSQL: first start, adoption, crash, half-made data, sockets that only we can reach."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from service.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError, socket_directory
from tests.support.directories import short_directory

SMALL = {"fsync": "off", "shared_buffers": "16MB"}


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    with short_directory() as directory:
        made = EmbeddedPostgres(directory / "postgres", options=SMALL)
        try:
            yield made
        finally:
            made.stop("immediate")


async def ask(server: EmbeddedPostgres, question: str) -> object:
    connection = await asyncpg.connect(server.url())
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def server_pid(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])


async def test_the_first_start_makes_a_utf8_database_with_checksums(server: EmbeddedPostgres) -> None:
    server.start()
    assert await ask(server, "SHOW server_encoding") == "UTF8"
    assert await ask(server, "SHOW data_checksums") == "on"
    assert (
        await ask(server, "SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    )


async def test_the_server_listens_on_a_private_socket_alone(server: EmbeddedPostgres) -> None:
    server.start()
    assert await ask(server, "SHOW listen_addresses") == ""
    assert stat.S_IMODE(server.socket_directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700


async def test_data_survives_a_stop_and_a_start(server: EmbeddedPostgres) -> None:
    server.start()
    await ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()
    assert not server.is_running
    server.start()
    assert await ask(server, "SELECT number FROM kept") == 7


def test_starting_beside_a_running_server_adopts_it(server: EmbeddedPostgres) -> None:
    server.start()
    pid = server_pid(server)
    EmbeddedPostgres(server.directory, options=SMALL).start()
    assert server_pid(server) == pid


async def test_a_killed_server_recovers_at_the_next_start(server: EmbeddedPostgres) -> None:
    server.start()
    await ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
    killed = psutil.Process(server_pid(server))
    children = killed.children()
    os.kill(killed.pid, signal.SIGKILL)
    psutil.wait_procs([killed, *children], timeout=30)
    server.start()
    assert await ask(server, "SELECT number FROM kept") == 7


def test_a_lock_file_with_a_strangers_process_id_does_not_hinder_the_start(server: EmbeddedPostgres) -> None:
    server.start()
    text = (server.data / "postmaster.pid").read_text()
    server.stop()
    (server.data / "postmaster.pid").write_text(text.replace(text.split("\n", 1)[0], str(os.getpid()), 1))
    assert not server.is_running
    server.start()
    assert server.is_running


async def test_half_made_data_of_an_interrupted_first_run_is_made_anew(server: EmbeddedPostgres) -> None:
    (server.directory / "data.unfinished" / "base").mkdir(parents=True)
    server.start()
    assert await ask(server, "SELECT 1") == 1
    assert not (server.directory / "data.unfinished").exists()


def test_data_that_is_not_postgresqls_is_never_deleted(server: EmbeddedPostgres) -> None:
    server.data.mkdir(parents=True)
    (server.data / "precious").write_text("kept")
    with pytest.raises(EmbeddedPostgresError, match="is no PostgreSQL data"):
        server.start()
    assert (server.data / "precious").read_text() == "kept"


async def test_a_path_too_long_for_a_socket_gets_a_short_private_one() -> None:
    with short_directory() as directory:
        server = EmbeddedPostgres(directory / ("long" * 30) / "postgres", options=SMALL)
        try:
            server.start()
            assert await ask(server, "SELECT 1") == 1
            assert stat.S_IMODE(server.socket_directory.stat().st_mode) == 0o700
        finally:
            server.stop("immediate")
        assert not server.socket_directory.exists()


def test_every_socket_path_fits_and_differs_by_directory() -> None:
    long_path = Path("/srv") / ("x" * 120)
    assert len(str(socket_directory(long_path, 5432) / ".s.PGSQL.5432")) <= 103
    assert socket_directory(long_path, 5432) != socket_directory(long_path / "other", 5432)


async def test_a_directory_name_with_spaces_and_quotes_works() -> None:
    with short_directory() as directory:
        server = EmbeddedPostgres(directory / "it's a + dir%", options=SMALL)
        try:
            server.start()
            assert await ask(server, "SELECT 1") == 1
        finally:
            server.stop("immediate")


def test_stopping_a_stopped_server_does_nothing(server: EmbeddedPostgres) -> None:
    server.stop()
    assert not server.is_running
