"""`customers master-key`: a new master key, to be kept where secrets are kept."""

from __future__ import annotations

import typer

from events.master_keys import MasterKeys


def master_key() -> None:
    """Print a new random master key (version 1); put it into CUSTOMERS_MASTER_KEY or a file, and keep it."""
    typer.echo(MasterKeys.generate_text(), nl=False)
