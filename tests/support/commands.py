"""`customers` commands that end by themselves, run in this process beside the test's loop.

In: variables and arguments. Out: what was said, on stdout and stderr. Nobody sits at the terminal.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from unittest.mock import patch

from service.cli import main
from tests.support.up import clean_environment


async def customers(environment: Mapping[str, str], *arguments: str, status: int = 0) -> str:
    """Run a command with these variables and no other of ours; it must end with this status."""
    ended, said = await asyncio.to_thread(_run, environment, arguments)
    assert ended == status, said
    return said.strip()


def _run(environment: Mapping[str, str], arguments: tuple[str, ...]) -> tuple[object, str]:
    said = StringIO()
    with (
        patch.dict(os.environ, clean_environment() | dict(environment), clear=True),
        redirect_stdout(said),
        redirect_stderr(said),
    ):
        try:
            main(arguments)
        except SystemExit as ended:
            return ended.code or 0, said.getvalue()
    raise AssertionError("a command ends by SystemExit")
