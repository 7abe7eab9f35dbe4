"""What tests of audits share: a ledger of real events, ways to forge it as a superuser, and what is found.

In: a test's store. Out: `LEDGER`'s events in M1 and two in M2; findings by merchant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from events.database import Database
from events.ledger import first_hash, next_hash
from events.ledgers import each_ledger
from events.proof.audit import verify_ledger
from events.proof.checkpoint import Checkpoint
from events.proof.checkpointing import sign_ledger
from events.proof.verification import Finding, leaf_of
from events.signing import public_keys
from tests.support.cases import JOHN
from tests.support.databases import run_sql
from tests.support.store import C1, C2, C3, M1, M2, Store

# Position by position, whose event it is.
LEDGER = (C1, C2, C1, C3, C2, C1, C3, C2)
COLUMNS = "position, recorded_at, originator_id, originator_version, topic, metadata, state, hash"


async def fill(store: Store) -> None:
    """M1 gets LEDGER, M2 two events."""
    for number, customer in enumerate(LEDGER):
        if customer not in LEDGER[:number]:
            await store.create(customer, JOHN | {"email": f"{number}@example.com"})
        elif number == 6:
            await store.delete(customer)
        else:
            await store.update(customer, name=f"Name {number}")
    await store.create(C1, JOHN, M2)
    await store.update(C1, M2, name="Another")


async def forge(store: Store, *statements: str) -> None:
    """What a superuser does who switches the trigger off."""
    await run_sql(
        store.admin_url,
        "ALTER TABLE events.customer_events DISABLE TRIGGER append_only",
        *statements,
        "ALTER TABLE events.customer_events ENABLE ALWAYS TRIGGER append_only",
    )


KEEP = (
    "CREATE TABLE kept_events AS SELECT * FROM events.customer_events",
    "CREATE TABLE kept_merchants AS SELECT * FROM events.merchants",
)
RESTORE = (
    "DELETE FROM events.customer_events",
    "INSERT INTO events.customer_events SELECT * FROM kept_events",
    """UPDATE events.merchants AS m SET position = k.position, hash = k.hash, recorded_at = k.recorded_at
    FROM kept_merchants AS k WHERE k.id = m.id""",
)
"""So that many forgeries can share a database."""


async def forget_checkpoints(store: Store) -> None:
    """What a superuser does who wants no stored checkpoint to tell."""
    await run_sql(
        store.admin_url,
        "ALTER TABLE events.checkpoints DISABLE TRIGGER append_only",
        "DELETE FROM events.checkpoints",
        "ALTER TABLE events.checkpoints ENABLE ALWAYS TRIGGER append_only",
    )


async def rewrite(store: Store, merchant: str = M1) -> None:
    """Make all hashes of a ledger, and its head, fit whatever its events are now."""
    rows = await store.select(
        f"SELECT {COLUMNS} FROM events.customer_events WHERE merchant_id = $1 ORDER BY position", merchant
    )
    digest, statements = first_hash(merchant), []
    for row in rows:
        digest = next_hash(digest, leaf_of(row))
        statements.append(
            f"UPDATE events.customer_events SET hash = '\\x{digest.hex()}' "
            f"WHERE merchant_id = '{merchant}' AND position = {row['position']}"
        )
    last = rows[-1]
    head = (
        f"UPDATE events.merchants SET position = {last['position']}, recorded_at = {last['recorded_at']}, "
        f"hash = '\\x{digest.hex()}' WHERE id = '{merchant}'"
    )
    await forge(store, *statements, head)


async def signed(store: Store, merchant: str = M1) -> Checkpoint:
    """The ledger's checkpoint."""
    made = await sign_ledger(store.database, merchant, store.master_keys)
    assert made is not None
    return made.checkpoint


async def findings(
    database: Database, checkpoints: Sequence[Checkpoint] = (), keys: Iterable[bytes] = ()
) -> list[Finding]:
    """What is wrong, over all ledgers."""
    found = []
    async for ledger in each_ledger(database):
        own = [one for one in checkpoints if one.statement.merchant_id == ledger]
        found += (await verify_ledger(database, ledger, own, frozenset(keys), lambda _: None)).findings
    return found


async def findings_against(store: Store, *checkpoints: Checkpoint) -> list[Finding]:
    """The same, against checkpoints of this store's own keys."""
    return await findings(store.database, checkpoints, public_keys(store.master_keys))


def places(found: Iterable[Finding]) -> list[tuple[str, int, str | None, str]]:
    """Findings without their texts."""
    return [(one.merchant_id, one.position, one.customer_id, one.kind) for one in found]
