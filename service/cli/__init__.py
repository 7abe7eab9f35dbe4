"""The `customers` command: its subcommands, one file a group, and how it ends.

In: arguments and `CUSTOMERS_*` variables. Out: exit status 0, 1 with one line on stderr for an error that was
foreseen, 2 for wrong usage (and from `verify`, where it could not check), 130 after Ctrl-C, 143 after
SIGTERM.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; `arguments` are those of the process unless given. Always raises SystemExit."""
    try:
        # Here, since it takes a moment in which Ctrl-C should be as quiet as later.
        from service.cli.commands import run_command  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run_command(arguments)
