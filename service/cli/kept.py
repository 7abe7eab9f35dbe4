"""Checkpoints that were kept elsewhere: a file with one a line, as `customers checkpoint --to` writes it.

In: its path. Out: the checkpoints, and which lines are none, and why; one bad line spoils no other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from events.errors import CheckpointUnreadable
from events.proof.checkpoint import Checkpoint, read_checkpoint
from service.errors import StartupError

KeptFile = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="Checkpoints that were kept elsewhere, one a line: they show a tail that was cut, and a ledger "
        "that was rewritten as a whole.",
        show_default=False,
    ),
]


class Kept(NamedTuple):
    """The checkpoints of a file, and a complaint for each line that is none."""

    checkpoints: list[Checkpoint]
    complaints: list[str]


def read_kept(path: Path, merchant_id: str | None) -> Kept:
    """Those of a file, of one merchant if one is named. Raises StartupError: the file cannot be read."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise StartupError(f"{path} cannot be read: {error.strerror}") from None
    kept = Kept([], [])
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            checkpoint = read_checkpoint(line)
        except CheckpointUnreadable as error:
            kept.complaints.append(f"{path} line {number}: it is no checkpoint: {error}")
            continue
        if merchant_id in (None, checkpoint.statement.merchant_id):
            kept.checkpoints.append(checkpoint)
    if not kept.checkpoints:
        of = f" of {merchant_id}" if merchant_id else ""
        kept.complaints.append(f"{path} holds no checkpoint{of}")
    return kept
