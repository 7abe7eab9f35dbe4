"""Files that survive a crash of the machine, whole or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import BinaryIO


def write_secret(path: Path, text: str) -> None:
    """Write a file of mode 0600; it is in its place, and on disk, when this returns."""
    with secret_stream(path) as file:
        file.write(text.encode())


@contextmanager
def secret_stream(path: Path) -> Iterator[BinaryIO]:
    """The same for what a block writes; nothing comes of it if the block fails.

    What a killed process left unfinished beside it is removed first.
    """
    remove_unfinished(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # tells others that somebody is at it
            yield file
            file.flush()
            os.fsync(file.fileno())
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_directory(path.parent)


def remove_unfinished(path: Path) -> None:
    """Remove the files `.NAME.<pid>` beside it that nobody writes any more: a kill -9 leaves them."""
    for left in path.parent.glob(f".{escape(path.name)}.*"):
        if left.suffix[1:].isdecimal():
            # Gone meanwhile, or still written (BlockingIOError): no concern of ours.
            with suppress(FileNotFoundError, BlockingIOError), left.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()


def sync_directory(directory: Path) -> None:
    """Have the names in a directory survive a crash of the machine."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
