"""`customers verify`: is every event there, unchanged and in its place?

In: a database (the role customers_verifier is enough) and perhaps a file of checkpoints. Out: exit status 0
and a summary; 1 and what is wrong with each ledger; or 2, where not everything could be checked.
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

from events.database import Database
from events.ledgers import count_events, each_ledger
from events.proof.audit import Tell, verify_ledger
from events.proof.checkpoint import Checkpoint, read_public_key
from events.proof.verification import Finding
from events.signing import public_keys
from service.cli.foreseen import FORESEEN
from service.cli.kept import Kept, KeptFile, read_kept
from service.cli.options import DataDir, MerchantId
from service.cli.progress import progress
from service.cli.running import run
from service.databases import find_database
from service.errors import StartupError
from service.master_key import has_master_keys, load_master_keys
from service.settings import Settings, load_settings

PublicKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key",
        metavar="KEY",
        help="A key that signed checkpoints, in base64; repeatable (default: those of the master key's "
        "versions).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")]

BROKEN, UNCHECKED = 1, 2
NOTHING_KEPT = (
    "No kept checkpoint was compared (--checkpoint FILE): a rewrite by somebody who rewrote the stored "
    "checkpoints, too, would not show."
)
UNSIGNED = (
    "The signatures of the stored checkpoints were not checked: there is no master key, and no --public-key "
    "was given."
)


@dataclass
class Report:
    """What came out."""

    kept: Kept | None
    signed: bool
    """Whether signatures were checked."""
    events: int = 0
    ledgers: int = 0
    stored: int = 0
    seconds: float = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def complaints(self) -> list[str]:
        """What could not be checked."""
        return self.kept.complaints if self.kept else []

    @property
    def status(self) -> int:
        """The exit status."""
        if self.findings:
            return BROKEN
        return UNCHECKED if self.complaints else 0

    def members(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "ok": self.status == 0,
            "events": self.events,
            "ledgers": self.ledgers,
            "checkpoints": len(self.kept.checkpoints) if self.kept else 0,
            "storedCheckpoints": self.stored,
            "signaturesChecked": self.signed,
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
            "unchecked": self.complaints,
        }

    def lines(self) -> list[str]:
        """What is wrong, one line of how much was looked at, and what that does not show."""
        rate = self.events / self.seconds if self.seconds else 0
        said = (
            f"{counted(self.events, 'event')} in {counted(self.ledgers, 'ledger')}{self._against()}: "
            f"{self._verdict()} ({self.seconds:.1f} s, {rate:,.0f} events/s)"
        )
        unsigned = [UNSIGNED] if self.stored and not self.signed else []
        unkept = [] if self.kept and self.kept.checkpoints else [NOTHING_KEPT]
        return [*map(str, self.findings), said, *unsigned, *unkept]

    def _against(self) -> str:
        kept = len(self.kept.checkpoints) if self.kept else 0
        against = [
            counted(number, f"{kind} checkpoint")
            for number, kind in ((kept, "kept"), (self.stored, "stored"))
            if number
        ]
        return f" against {' and '.join(against)}" if against else ""

    def _verdict(self) -> str:
        if self.findings:
            return f"broken: {counted(len({one.merchant_id for one in self.findings}), 'ledger')}"
        return "nothing is broken, but not everything was checked" if self.complaints else "all is well"


def counted(count: int, what: str) -> str:
    """So many of them."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def verify(
    data_dir: DataDir = None,
    merchant_id: MerchantId = None,
    checkpoint: KeptFile = None,
    public_key: PublicKeys = None,
    as_json: Json = False,
) -> None:
    """Recompute every ledger (or one) from its events, and name what is wrong with it.

    Each is held against its stored checkpoints, and those of FILE; data keys against the events of erasures.
    It only reads: CUSTOMERS_DATABASE_URL may be of a role in the group customers_verifier.
    Exit status: 0 all is well; 1 a ledger is broken; 2 it could not be checked, or not all of it (the
    database cannot be reached, there is no such file or merchant, a line is no checkpoint).
    """
    try:
        report = _report(load_settings(data_dir=data_dir), merchant_id, checkpoint, public_key)
    except FORESEEN as error:
        typer.echo(f"customers: {error}", err=True)
        raise typer.Exit(UNCHECKED) from None
    for complaint in report.complaints:
        typer.echo(f"customers: {complaint}", err=True)
    if as_json:
        typer.echo(orjson.dumps(report.members(), option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo("\n".join(report.lines()))
    raise typer.Exit(report.status)


def _report(
    settings: Settings, merchant_id: str | None, path: Path | None, given: Sequence[str] | None
) -> Report:
    kept = read_kept(path, merchant_id) if path else None
    keys = believed_keys(settings, given)
    if kept and kept.checkpoints and not keys:
        raise StartupError(
            f"nothing says whose signatures in {path} are to be believed: there is no master key here, so "
            "give --public-key KEY (`customers checkpoint --public-key` prints it, where the master key is)"
        )
    return run(_verify(settings, merchant_id, kept, keys))


def believed_keys(settings: Settings, given: Sequence[str] | None) -> frozenset[bytes]:
    """The keys that were given, or those of the master keys; none where there is no master key."""
    if given:
        return frozenset(read_public_key(text) for text in given)
    return public_keys(load_master_keys(settings)) if has_master_keys(settings) else frozenset()


async def _verify(
    settings: Settings, merchant_id: str | None, kept: Kept | None, keys: Collection[bytes]
) -> Report:
    report = Report(kept, signed=bool(keys))
    began = time.monotonic()
    async with Database.connect(find_database(settings).application) as database:
        with progress("verifying", await count_events(database, merchant_id)) as advance:

            def tell(events: int) -> None:
                report.events += events
                advance(events)

            checkpoints = _by_merchant(kept.checkpoints if kept else [])
            await _verify_each(database, merchant_id, checkpoints, keys, report, tell)
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
        audited = await verify_ledger(database, ledger, checkpoints.get(ledger, ()), keys, tell)
        report.ledgers += 1
        report.stored += audited.stored
        report.findings += audited.findings

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
