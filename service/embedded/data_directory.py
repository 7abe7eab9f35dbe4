"""The data directory: what a local run keeps between runs, and how other commands find it.

    up.lock     held by the `customers up` that runs here, with its process id
    dev.json    where it is to be reached, while it is
    postgres/   the embedded PostgreSQL's own
    nats/       the embedded NATS's own
    *.key, …    secrets made on the first run, each of mode 0600

In: a path. Out: the lock, the secrets' texts, and `Announcement`, the content of dev.json.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from service.durable import write_secret

LOCK_SECONDS = 2.0  # a command that only looks whether the lock is held has it for microseconds
POLL_SECONDS = 0.02


class DataDirectoryError(Exception):
    """The directory cannot be used; its text is one clear line."""


class Announcement(BaseModel):
    """dev.json: all that a client or another command needs to reach a running `customers up`."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    url: str
    api_key: str
    merchant_id: str
    database_url: str
    admin_database_url: str
    nats_url: str | None
    pid: int


class DataDirectory:
    """One data directory. All its methods may raise DataDirectoryError."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.postgres = self.path / "postgres"
        self.nats = self.path / "nats"
        self._lock = self.path / "up.lock"
        self._announcement = self.path / "dev.json"

    def prepare(self) -> None:
        """Make the directory, for us alone, if it is not there."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataDirectoryError(f"{self.path} cannot be used: {error.strerror}") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory, so that one `customers up` alone works on it; a killed one's dev.json goes."""
        descriptor = self._open_lock()
        try:
            self._wait_for_lock(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            self.withdraw()
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def announce(self, announcement: Announcement) -> None:
        """Write dev.json, whole or not at all."""
        self.write("dev.json", announcement.model_dump_json(by_alias=True, indent=2) + "\n")

    def withdraw(self) -> None:
        """Remove dev.json, if it is there."""
        self._announcement.unlink(missing_ok=True)

    def running(self) -> Announcement | None:
        """What the `customers up` that runs here announced; None when none runs or it is not ready."""
        if not self._lock.exists():
            return None
        descriptor = self._open_lock()
        try:
            if try_lock(descriptor, fcntl.LOCK_SH):
                return None
            return Announcement.model_validate_json(self._announcement.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            raise DataDirectoryError(f"{self._announcement} cannot be read") from None
        finally:
            os.close(descriptor)

    def read(self, name: str) -> str | None:
        """A file's text, or None when there is no such file."""
        try:
            return (self.path / name).read_text()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            raise DataDirectoryError(f"{self.path / name} cannot be read") from None

    def write(self, name: str, text: str) -> None:
        """Write a file of mode 0600 durably, whole or not at all."""
        try:
            write_secret(self.path / name, text)
        except OSError as error:
            raise DataDirectoryError(f"{self.path / name} cannot be written: {error.strerror}") from None

    def _open_lock(self) -> int:
        try:
            return os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataDirectoryError(f"{self._lock} cannot be opened: {error.strerror}") from None

    def _wait_for_lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while not try_lock(descriptor, fcntl.LOCK_EX):
            holder = os.pread(descriptor, 32, 0).decode().strip()
            alive = holder.isdecimal() and psutil.pid_exists(int(holder))
            if alive or time.monotonic() > deadline:
                who = f" (process {holder})" if alive else ""
                raise DataDirectoryError(f"another `customers up` is running on {self.path}{who}")
            time.sleep(POLL_SECONDS)


def try_lock(descriptor: int, kind: int) -> bool:
    """Whether the lock (`fcntl.LOCK_SH` or `LOCK_EX`) could be had at once; closing the file ends it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
