"""Asking before what cannot be undone."""

from __future__ import annotations

import sys

import typer


def confirm(question: str, *, yes: bool) -> None:
    """Go on only if `yes`, or if whoever sits at the terminal agrees; where nobody does, ask for --yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here whether it is meant: say --yes")
    typer.confirm(question, abort=True)
