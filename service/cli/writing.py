"""Where a command's result goes: a file, or stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer

from service.durable import secret_stream, write_secret
from service.errors import StartupError


class Lines:
    """Lines that are written, each once."""

    def __init__(self, write: Callable[[bytes], object], known: Iterable[bytes] = ()) -> None:
        """`known`: those that are there."""
        self._write = write
        self._known = set(known)
        self.new = 0
        self.old = 0

    def add(self, line: bytes) -> None:
        """Write a line unless it is there."""
        if line in self._known:
            self.old += 1
            return
        self._write(line + b"\n")
        self._known.add(line)
        self.new += 1


@contextmanager
def appended(path: Path | None) -> Iterator[Lines]:
    """A way to add lines to those that a file has. Raises StartupError when it cannot be read and written."""
    if path is None:
        yield Lines(lambda line: typer.echo(line, nl=False))
        return
    try:
        with path.open("a+b") as file:
            file.seek(0)
            yield Lines(file.write, file.read().splitlines())
    except OSError as error:
        raise StartupError(f"{path} cannot be written: {error.strerror}") from None


def written(path: Path | None, content: bytes) -> None:
    """Write all of it, for its owner alone: it holds a key. Raises StartupError when it cannot be written."""
    if path is None:
        typer.echo(content, nl=False)
        return
    try:
        write_secret(path, content.decode())
    except OSError as error:
        raise StartupError(f"{path} cannot be written: {error.strerror}") from None


@contextmanager
def streamed(path: Path | None) -> Iterator[BinaryIO]:
    """The same for more than fits into memory: the file is there whole, or not at all."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with secret_stream(path) as file:
            yield file
    except OSError as error:
        raise StartupError(f"{path} cannot be written: {error.strerror}") from None
