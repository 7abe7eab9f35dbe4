"""`customers prove`: one customer's history, for somebody who trusts neither us nor our database."""

from __future__ import annotations

from pathlib import Path

import orjson
import typer

from events.database import Database
from events.key_checks import check_master_keys
from events.master_keys import MasterKeys
from events.proof.checkpoint import Checkpoint
from events.proof.history_proof import Proof, prove_history
from service.cli.kept import KeptFile, read_kept
from service.cli.options import CustomerId, DataDir, OwnerId, ToFile
from service.cli.owners import owner_of
from service.cli.running import run
from service.cli.writing import written
from service.databases import find_database
from service.errors import StartupError
from service.master_key import load_master_keys
from service.settings import Settings, load_settings

KEY_INSIDE = "it contains the data key: treat it as personal data"
NO_KEY_INSIDE = "it contains no data key, since the customer is erased"


def prove(
    customer_id: CustomerId,
    data_dir: DataDir = None,
    merchant_id: OwnerId = None,
    to: ToFile = None,
    checkpoint: KeptFile = None,
) -> None:
    """Export a customer's events with proof that they are in the ledger, unchanged, and with its data key.

    Whoever has the file can read this customer's values (unless it was erased), and no other's.
    With --checkpoint it is proved against the last of those, so that who kept them need not trust a new one.
    deploy/audit/verify_history.py verifies it without us.
    """
    settings = load_settings(data_dir=data_dir)
    kept = _kept(checkpoint, merchant_id) if checkpoint else None
    proof = run(_prove(settings, load_master_keys(settings), merchant_id, customer_id, kept))
    if proof.newly_signed:
        position = proof.members["checkpoint"]["position"]
        typer.echo(f"customers: signed a new checkpoint, at position {position}", err=True)
    written(to, orjson.dumps(proof.members, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if to is not None:
        inside = KEY_INSIDE if proof.members["dataKey"] else NO_KEY_INSIDE
        typer.echo(f"{to} is written; {inside}", err=True)


def _kept(path: Path, merchant_id: str | None) -> list[Checkpoint]:
    """The checkpoints of a file; what in it is none is told."""
    kept = read_kept(path, merchant_id)
    for complaint in kept.complaints:
        typer.echo(f"customers: {complaint}", err=True)
    return kept.checkpoints


async def _prove(
    settings: Settings,
    master_keys: MasterKeys,
    merchant_id: str | None,
    customer_id: str,
    kept: list[Checkpoint] | None,
) -> Proof:
    async with Database.connect(find_database(settings).application) as database:
        await check_master_keys(database, master_keys)
        owner = await owner_of(database, customer_id, merchant_id)
        proof = await prove_history(database, owner, customer_id, master_keys, kept)
        if proof is None:
            raise StartupError(f"there is no customer {customer_id} of {owner}")
        return proof
