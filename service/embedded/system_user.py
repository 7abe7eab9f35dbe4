"""Which system user runs PostgreSQL's programs, which refuse root, and that it can reach its files.

In: the directory that holds a server's data. Out: None where we are not root; otherwise the directory's owner
if that is not root, else an unprivileged user that the machine already has. No user is created.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class SystemUser:
    """A user by its numbers."""

    uid: int
    gid: int


def owner_for(directory: Path) -> SystemUser | None:
    """The user to run as; it stays the one that owns the data, whatever users the machine gets later.

    Raises:
        LookupError: running as root on a machine without any of CANDIDATES.
    """
    if os.geteuid() != 0:
        return None
    if directory.exists() and (owner := directory.stat()).st_uid != 0:
        return SystemUser(owner.st_uid, owner.st_gid)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemUser(entry.pw_uid, entry.pw_gid)
    raise LookupError(
        f"PostgreSQL does not run as root, and this machine has no user {' or '.join(CANDIDATES)}"
    )


def let_through(user: SystemUser, path: Path) -> None:
    """Give the parents of `path` the bit that lets the user pass (not look), where it is missing."""
    for parent in path.resolve().parents:
        found = parent.stat()
        if found.st_uid == user.uid:
            needed = stat.S_IXUSR
        elif found.st_gid == user.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not found.st_mode & needed:
            parent.chmod(stat.S_IMODE(found.st_mode) | needed)


def run_as(
    user: SystemUser | None, arguments: list[str], directory: Path, output: IO[bytes], text: bytes = b""
) -> int:
    """Run a program in `directory` as the user, None being ourselves; return its exit status.

    `text` is its standard input; all that it says goes to `output`.

    It gets no environment but a neutral locale: variables such as PGPORT would redirect it.
    """
    finished = subprocess.run(
        arguments,
        check=False,
        cwd=directory,
        env={"LC_ALL": "C"},
        input=text,
        stdout=output,
        stderr=output,
        umask=0o077,
        start_new_session=True,  # Ctrl-C is for us to act on, not for them
        user=None if user is None else user.uid,
        group=None if user is None else user.gid,
        extra_groups=None if user is None else (),
    )
    return finished.returncode
