"""How many connections may be open: what the settings say, as far as the system allows.

In: the number wished for. Out: the number there is room for, with the process's limit of open files raised.
"""

from __future__ import annotations

import resource
from contextlib import suppress

OTHER_FILES = 256
"""Files that are no clients' connections: to the database, to NATS, libraries, logs."""


def room_for_connections(wanted: int) -> int:
    """`wanted`, or fewer if the system lets this process open no more files than that takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if resource.RLIM_INFINITY not in {soft, hard}:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        with suppress(OSError, ValueError):  # some systems have a lower limit than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
            soft = needed
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - OTHER_FILES))
