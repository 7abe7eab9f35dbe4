"""Whose customer an id on the command line is."""

from __future__ import annotations

import typer

from events.database import Database
from events.ids import CUSTOMER_PREFIX, is_id
from events.proof.history_proof import merchants_of
from events.strict_json import shown
from service.errors import StartupError


def check_customer_id(text: str) -> None:
    """Wrong usage unless it can be a customer's id."""
    if not is_id(CUSTOMER_PREFIX, text):
        raise typer.BadParameter(f"{shown(text)} is no customer's id")


async def owner_of(database: Database, customer_id: str, merchant_id: str | None) -> str:
    """Whose customer it is. Raises StartupError unless there is exactly one, or the one named."""
    owners = await merchants_of(database, customer_id)
    if merchant_id is None and len(owners) > 1:
        raise StartupError(f"{customer_id} is a customer of {', '.join(owners)}: choose one with --merchant")
    if not owners or merchant_id not in {None, *owners}:
        of = f" of {merchant_id}" if merchant_id else ""
        raise StartupError(f"there is no customer {customer_id}{of}")
    return merchant_id or owners[0]
