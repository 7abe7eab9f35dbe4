"""`customers verify`: is every event there, unchanged and in its place?

In: a database (the role customers_verifier is enough) and perhaps a file of checkpoints. Out: exit status 0
and a summary, or 1 and the first thing that is wrong with each ledger.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import orjson
import typer

from events.audit import Tell, verify_ledger
from events.checkpoint import Checkpoint, read_checkpoint, read_public_key
from events.database import Database
from events.errors import CheckpointUnreadable
from events.ledgers import count_events, each_ledger
from events.signing import public_keys
from events.verification import Finding
from service.cli.options import DataDir, MerchantId
from service.cli.progress import progress
from service.cli.running import run
from service.databases import find_database
from service.errors import StartupError
from service.master_key import load_master_keys
from service.settings import Settings, load_settings

CheckpointsFile = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="Checkpoints that were kept elsewhere, one a line: they show a tail that was cut, and a ledger "
        "that was rewritten as a whole.",
        show_default=False,
    ),
]
PublicKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key",
        metavar="KEY",
        help="A key that signed them, in base64; repeatable (default: those of the master key's versions).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")]


@dataclass
class Report:
    """What came out."""

    events: int = 0
    ledgers: int = 0
    checkpoints: int = 0
    seconds: float = 0
    findings: list[Finding] = field(default_factory=list)

    def members(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "ok": not self.findings,
            "events": self.events,
            "ledgers": self.ledgers,
            "checkpoints": self.checkpoints,
            "seconds": round(self.seconds, 3),
            "findings": [
                {
                    "merchantId": one.merchant_id,
                    "position": one.position,
                    "customerId": one.customer_id,
                    "kind": one.kind,
                    "text": one.text,
                }
                for one in self.findings
            ],
        }

    def summary(self) -> str:
        """One line."""
        rate = self.events / self.seconds if self.seconds else 0
        against = f" against {counted(self.checkpoints, 'checkpoint')}" if self.checkpoints else ""
        verdict = f"broken: {counted(len(self.findings), 'ledger')}" if self.findings else "all is well"
        return (
            f"{counted(self.events, 'event')} in {counted(self.ledgers, 'ledger')}{against}: {verdict} "
            f"({self.seconds:.1f} s, {rate:,.0f} events/s)"
        )


def counted(count: int, what: str) -> str:
    """So many of them."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def verify(
    data_dir: DataDir = None,
    merchant_id: MerchantId = None,
    checkpoint: CheckpointsFile = None,
    public_key: PublicKeys = None,
    as_json: Json = False,
) -> None:
    """Recompute every ledger (or one) from its events, and name the first thing that is wrong with it.

    It only reads: CUSTOMERS_DATABASE_URL may be of a role in the group customers_verifier.
    """
    settings = load_settings(data_dir=data_dir)
    checkpoints = read_checkpoints(checkpoint, merchant_id) if checkpoint else []
    keys = believed_keys(settings, public_key) if checkpoints else frozenset[bytes]()
    report = run(_verify(settings, merchant_id, checkpoints, keys))
    if as_json:
        typer.echo(orjson.dumps(report.members(), option=orjson.OPT_INDENT_2).decode())
    else:
        for finding in report.findings:
            typer.echo(str(finding))
        typer.echo(report.summary())
    if report.findings:
        raise typer.Exit(1)


def read_checkpoints(path: Path, merchant_id: str | None) -> list[Checkpoint]:
    """Those of a file, of one merchant if one is named. Raises StartupError: which line is none, and why."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise StartupError(f"{path} cannot be read: {error.strerror}") from None
    checkpoints = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                checkpoints.append(read_checkpoint(line))
            except CheckpointUnreadable as error:
                raise StartupError(f"{path} line {number} is no checkpoint: {error}") from None
    wanted = [one for one in checkpoints if merchant_id in (None, one.statement.merchant_id)]
    if not wanted:
        raise StartupError(f"{path} holds no checkpoint" + (f" of {merchant_id}" if merchant_id else ""))
    return wanted


def believed_keys(settings: Settings, given: Sequence[str] | None) -> frozenset[bytes]:
    """The keys that were given, or those of the master keys."""
    if given:
        return frozenset(read_public_key(text) for text in given)
    return public_keys(load_master_keys(settings))


async def _verify(
    settings: Settings, merchant_id: str | None, checkpoints: Sequence[Checkpoint], keys: Collection[bytes]
) -> Report:
    report = Report(checkpoints=len(checkpoints))
    began = time.monotonic()
    async with Database.connect(find_database(settings).application) as database:
        with progress("verifying", await count_events(database, merchant_id)) as advance:

            def tell(events: int) -> None:
                report.events += events
                advance(events)

            await _verify_each(database, merchant_id, _by_merchant(checkpoints), keys, report, tell)
    report.seconds = time.monotonic() - began
    return report


async def _verify_each(
    database: Database,
    merchant_id: str | None,
    checkpoints: Mapping[str, Sequence[Checkpoint]],
    keys: Collection[bytes],
    report: Report,
    tell: Tell,
) -> None:
    """One merchant, or all that are there and those that only a checkpoint knows of."""

    async def one(ledger: str) -> None:
        finding = await verify_ledger(database, ledger, checkpoints.get(ledger, ()), keys, tell)
        report.ledgers += 1
        report.findings += [finding] if finding else []

    if merchant_id is not None:
        await one(merchant_id)
        return
    missing = set(checkpoints)
    async for ledger in each_ledger(database):
        missing.discard(ledger)
        await one(ledger)
    for ledger in sorted(missing):
        await one(ledger)


def _by_merchant(checkpoints: Sequence[Checkpoint]) -> Mapping[str, Sequence[Checkpoint]]:
    grouped = defaultdict(list)
    for checkpoint in checkpoints:
        grouped[checkpoint.statement.merchant_id].append(checkpoint)
    return grouped
