"""Named SQL statements: text in .sql files, one `-- name: description` line above each.

In: a folder's `queries.sql`. Out: a mapping from name to statement. SQL stays SQL, and a statement's name
is also what logs and errors call it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_HEADING = re.compile(r"^-- (?P<name>[a-z_]+): .+\n", re.MULTILINE)


class Statement(NamedTuple):
    """SQL text and the name it goes by."""

    name: str
    text: str


def read_statements(path: Path) -> dict[str, Statement]:
    """All statements of a file, by name. Raises ValueError on a name used twice."""
    parts = _HEADING.split(path.read_text())[1:]
    statements: dict[str, Statement] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        if name in statements:
            raise ValueError(f"{path.name}: {name} is defined twice")
        statements[name] = Statement(name, text.strip().removesuffix(";"))
    return statements
