"""Private directories with short paths, where a server under test may keep its data and sockets.

pytest's own `tmp_path` will not do: it is closed to other system users, and under root PostgreSQL is one.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory of mode 0700, removed with all that is in it."""
    path = Path(tempfile.mkdtemp(prefix="customers-test-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
