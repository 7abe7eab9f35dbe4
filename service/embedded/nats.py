"""NATS with JetStream from its wheel, as a server of our own.

In: a directory. Out: a running server on a loopback port, open to every program of this machine. It outlives
a killed parent and is adopted by the next `start`. Its files in that directory are `nats.conf` (written anew
at each start), `port`, `pid`, `log` and, with all that the streams hold, `data/`.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import psutil

from service.durable import write_secret
from service.embedded.nats_program import EmbeddedNatsError, configuration, greeting, is_free, program

START_SECONDS = 300.0  # large streams are read before the server listens
STOP_SECONDS = 30.0
POLL_SECONDS = 0.02
PORTS = range(20_000, 32_000)
"""Below the ports that systems give to outgoing connections: a client that tries again and again to reach a
stopped server on one of those can end up connected with itself, and then holds the port."""
PORTS_TRIED = 50
PORT_SECONDS = 1.0


class EmbeddedNats:
    """One NATS server and its data under `directory`.

    `sync_interval` is how long what was acknowledged may wait for the disk: `always` lets nothing wait.
    """

    name: Final = "NATS"

    def __init__(self, directory: Path, *, sync_interval: str = "always") -> None:
        self.directory = directory.resolve()
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self._config = self.directory / "nats.conf"
        self._sync_interval = sync_interval
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()
        self._server_name = f"customers-{digest[:16]}"  # tells it from another that may have got its port
        self._port: int | None = None
        self._process: psutil.Process | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the server's process lives; it may still be reading its streams."""
        return self._find_process() is not None

    @property
    def url(self) -> str:
        """`nats://127.0.0.1:<port>`; once started it stays the same, also when the server is started again.

        Raises:
            EmbeddedNatsError: it was never started.
        """
        if self._port is None:
            raise EmbeddedNatsError(f"no NATS was started in {self.directory}")
        return f"nats://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the server or adopt the running one; wait until it takes connections and JetStream is ready.

        Raises:
            EmbeddedNatsError: it did not come up.
        """
        deadline = time.monotonic() + START_SECONDS
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            running = self._find_process() or self._find_orphan()
            if running is None or not self._adopt(running, deadline):
                self._launch(deadline)
        except OSError as error:
            raise EmbeddedNatsError(f"NATS cannot keep its data here: {error}") from None

    def stop(self) -> None:
        """Stop the server, if it runs, and wait for its end.

        Raises:
            EmbeddedNatsError: it did not end in time.
        """
        process = self._find_process() or self._find_orphan()
        if process is not None:
            process.terminate()
            if not self._ends(process):
                process.kill()
                if not self._ends(process):
                    raise EmbeddedNatsError(f"NATS (process {process.pid}) does not end")
        self._process = None
        if self._child is not None:
            self._child.wait()
            self._child = None

    def _adopt(self, process: psutil.Process, deadline: float) -> bool:
        """True when the running server is ready, False when it ended or cannot be reached any more."""
        port = self._kept_port()
        if port is None:
            self.stop()
            return False
        self._process = process
        if not self._wait_until_ready(process, port, deadline):
            return False
        self._port = port
        return True

    def _launch(self, deadline: float) -> None:
        kept = self._port or self._kept_port()
        for port in self._possible_ports(kept):
            # A server that was just killed has its port for a moment longer.
            if not comes_about(partial(is_free, port), PORT_SECONDS if port == kept else 0):
                continue
            self._write_files(port)
            self._process = self._spawn()
            if self._wait_until_ready(self._process, port, deadline):
                self._port = port
                return
            complaint = self._last_complaint(self._process.pid)
            if "address already in use" not in complaint:
                raise EmbeddedNatsError(f"NATS did not start: {complaint} (see {self.log})")
        ports = "the ports tried are" if self._port is None else f"its port {self._port} is"
        raise EmbeddedNatsError(f"NATS did not start: {ports} taken by other programs")

    def _possible_ports(self, kept: int | None) -> list[int]:
        """The kept port first; alone once somebody was told of it."""
        first = [] if kept is None else [kept]
        return first if self._port is not None else first + random.sample(PORTS, PORTS_TRIED)

    def _kept_port(self) -> int | None:
        try:
            port = int((self.directory / "port").read_text())
        except (OSError, ValueError):
            return None
        return port if 0 < port < 65_536 else None

    def _write_files(self, port: int) -> None:
        write_secret(self.directory / "port", f"{port}\n")
        text = configuration(
            port=port,
            name=self._server_name,
            data=self.data,
            sync_interval=self._sync_interval,
            pid=self.directory / "pid",
            log=self.log,
        )
        write_secret(self._config, text)

    def _spawn(self) -> psutil.Process:
        self._reap()
        try:
            self.log.touch(mode=0o600)
            with self.log.open("ab") as output:
                self._child = subprocess.Popen(
                    [program(), "--config", self._config],
                    cwd=self.directory,
                    env={},  # it needs nothing of our environment, which may hold secrets
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C is for us; we stop it last
                    umask=0o077,
                )
        except OSError as error:
            raise EmbeddedNatsError(f"{program()} cannot be run: {error.strerror}") from None
        return psutil.Process(self._child.pid)

    def _wait_until_ready(self, process: psutil.Process, port: int, deadline: float) -> bool:
        """True when the server answers and JetStream is ready, False when the process ended."""
        # A child that was started just now has no arguments yet to be known by.
        while self._is_server(process) or (self._child is not None and self._child.poll() is None):
            if self._answers(port):
                return True
            if time.monotonic() > deadline:
                raise EmbeddedNatsError(
                    f"the NATS that runs in {self.directory} (process {process.pid}) does not become ready"
                )
            time.sleep(POLL_SECONDS)
        return False

    def _answers(self, port: int) -> bool:
        found = greeting(port)
        return found.get("server_name") == self._server_name and found.get("jetstream") is True

    def _find_process(self) -> psutil.Process | None:
        """The server's process: the one we know of, else the one in its pid file."""
        self._reap()
        if self._process is not None and self._is_server(self._process):
            return self._process
        try:
            process = psutil.Process(int((self.directory / "pid").read_text()))
        except (OSError, ValueError, OverflowError, psutil.Error):
            return None
        return process if self._is_server(process) else None

    def _find_orphan(self) -> psutil.Process | None:
        """A server whose parent was killed before the pid file was there: two must never share the data."""
        return next(filter(self._is_server, psutil.process_iter()), None)

    def _is_server(self, process: psutil.Process) -> bool:
        """Whether the process lives and is ours: one that got the same id later has other arguments."""
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.cmdline()[1:] == ["--config", str(self._config)]
        except psutil.Error:
            return False

    def _ends(self, process: psutil.Process) -> bool:
        return comes_about(lambda: has_ended(process), STOP_SECONDS)

    def _reap(self) -> None:
        """Take note of the child's end, so that no zombie stays."""
        if self._child is not None and self._child.poll() is not None:
            self._child = None

    def _last_complaint(self, pid: int) -> str:
        """The last reason in the log that this process gave, without time and process id."""
        lines = self.log.read_text(errors="replace").splitlines()[-20:]
        fatal = [
            line for line in lines if line.startswith(f"[{pid}]") and ("[FTL]" in line or "[ERR]" in line)
        ]
        return (fatal or lines or ["it said nothing"])[-1].split("] ", 2)[-1]


def has_ended(process: psutil.Process) -> bool:
    """Whether the process is gone; its parent may not have taken note of it yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def comes_about(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for the condition at most so long; whether it came."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
