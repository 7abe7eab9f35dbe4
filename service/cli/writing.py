"""Where a command's result goes: a file, or stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer

from service.durable import secret_stream, write_secret
from service.errors import StartupError


@contextmanager
def appended(path: Path | None) -> Iterator[Callable[[bytes], None]]:
    """A way to write lines, after those that the file has. Raises StartupError when it cannot be written."""
    if path is None:
        yield typer.echo
        return
    try:
        with path.open("ab") as file:
            yield lambda line: _write_line(file.write, line)
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


def _write_line(write: Callable[[bytes], int], line: bytes) -> None:
    write(line + b"\n")
