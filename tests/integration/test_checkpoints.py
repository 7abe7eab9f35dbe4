"""Checkpoints: signed once a ledger has moved, from the last one on, and never of a broken ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import nats
import pytest
from nats.aio.subscription import Subscription

from events.errors import LedgerBroken
from events.master_keys import MasterKeys
from events.proof import checkpointing, ledger_reading
from events.proof.checkpoint import Checkpoint, read_checkpoint
from events.proof.checkpointing import run_checkpoints, sign_and_publish, sign_ledger
from events.proof.merkle import Tree, nodes_over
from events.proof.verification import leaf_of
from events.signing import public_key
from events.wire.checkpoint_models import Checkpoint as CheckpointModel
from service.embedded.nats import EmbeddedNats
from tests.support.auditing import COLUMNS, KEEP, RESTORE, fill, findings_against, forge, signed
from tests.support.store import C1, M1, M2, M3, Appender, Store, changing, creating
from tests.support.wire import check_against

MANY = 700


async def leaves(store: Store) -> list[bytes]:
    query = f"SELECT {COLUMNS} FROM events.customer_events WHERE merchant_id = $1 ORDER BY position"
    return [leaf_of(row) for row in await store.select(query, M1)]


async def grow(appender: Appender, first: int, last: int) -> None:
    """Versions of one customer of M1."""
    await appender.append(
        *(changing(C1, v) if v > 1 else creating(C1, "a@example.com") for v in range(first, last))
    )


async def kept(store: Store) -> int:
    return len(await store.select("SELECT FROM events.checkpoints"))


async def signed_positions(store: Store) -> list[int]:
    return [
        row["position"] for row in await store.select("SELECT position FROM events.checkpoints ORDER BY 1")
    ]


@asynccontextmanager
async def listening(server: EmbeddedNats, merchant: str) -> AsyncIterator[Subscription]:
    client = await nats.connect(server.url, allow_reconnect=False)
    try:
        subscription = await client.subscribe(f"checkpoints.v1.{merchant}")
        await client.flush()
        yield subscription
    finally:
        await client.close()


async def heard(subscription: Subscription) -> Checkpoint:
    line = (await subscription.next_msg(timeout=20)).data
    check_against(CheckpointModel, line)
    return read_checkpoint(line)


async def test_a_checkpoint_says_what_the_ledger_is_and_is_signed_by_the_master_key(store: Store) -> None:
    await fill(store)
    checkpoint = await signed(store)
    (head,) = await store.select("SELECT * FROM events.merchants WHERE id = $1", M1)
    tree = Tree()
    for leaf in await leaves(store):
        tree.append(leaf)
    assert checkpoint.statement == (M1, 1, 8, head["recorded_at"], head["hash"], tree.root())
    assert checkpoint.is_genuine()
    assert checkpoint.public_key == public_key(store.master_keys, 1)


async def test_a_ledger_that_has_not_moved_keeps_its_checkpoint_and_an_empty_one_has_none(
    store: Store,
) -> None:
    await fill(store)
    assert await signed(store) == await signed(store)
    assert await kept(store) == 1
    assert await sign_ledger(store.database, M3, store.master_keys) is None


async def test_the_next_checkpoint_goes_on_from_the_last_and_is_what_a_whole_recount_gives(
    store: Store, committing: Appender
) -> None:
    await grow(committing, 1, 300)
    await signed(store)
    await grow(committing, 300, MANY + 1)
    second = await signed(store)
    tree = Tree()
    for leaf in await leaves(store):
        tree.append(leaf)
    assert second.statement.merkle_root == tree.root()
    nodes = await store.select("SELECT level, index, hash FROM events.merkle_nodes")
    whole = nodes_over(await leaves(store), 0)
    assert {(n["level"], n["index"]): n["hash"] for n in nodes} == {
        place: node for place, node in whole.items() if place[0] >= 8
    }
    assert await findings_against(store, second) == []


async def test_a_long_way_is_signed_in_stages_and_what_broke_off_goes_on_from_the_last(
    store: Store, committing: Appender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_reading, "PAGE", 100)
    monkeypatch.setattr(checkpointing, "STAGE", 200)
    await grow(committing, 1, MANY + 1)
    gone = "merchant_id = '{}' AND position = {}"
    await forge(store, *KEEP, f"DELETE FROM events.customer_events WHERE {gone.format(M1, 451)}")
    with pytest.raises(LedgerBroken, match="position 451: the chain breaks"):
        await signed(store)
    assert await signed_positions(store) == [200, 400]
    await forge(store, *RESTORE, f"DELETE FROM events.customer_events WHERE {gone.format(M1, 3)}")
    await signed(store)  # nothing before the last stage is read once more
    assert await signed_positions(store) == [200, 400, 600, 700]
    await forge(store, *RESTORE)
    assert await findings_against(store, await signed(store)) == []


async def test_several_signers_at_once_write_the_same(store: Store, committing: Appender) -> None:
    await grow(committing, 1, 300)
    made = await asyncio.gather(*(signed(store) for _ in range(4)))
    assert len(set(made)) == await kept(store) == 1


async def test_a_broken_ledger_is_not_signed_and_keeps_no_other_from_it(store: Store) -> None:
    await fill(store)
    await forge(
        store,
        f"UPDATE events.customer_events SET state = 'x' WHERE merchant_id = '{M1}' AND position = 4",
    )
    with pytest.raises(LedgerBroken, match=f"{M1} position 4: the chain breaks; nothing more is signed"):
        await signed(store)
    await sign_and_publish(store.database, None, store.master_keys)
    assert [row["merchant_id"] for row in await store.select("SELECT * FROM events.checkpoints")] == [M2]


async def test_a_head_that_its_events_do_not_lead_to_is_not_signed(store: Store) -> None:
    await fill(store)
    await forge(store, f"UPDATE events.merchants SET hash = '' WHERE id = '{M1}'")
    with pytest.raises(LedgerBroken, match="do not lead to its head"):
        await signed(store)


async def test_a_last_checkpoint_that_was_altered_is_not_gone_on_from(store: Store) -> None:
    await fill(store)
    await signed(store)
    await store.update(C1, name="Later")
    await forge(store, "ALTER TABLE events.checkpoints DISABLE TRIGGER append_only")
    for column in ("frontier", "merkle_root", "signature", "hash", "recorded_at", "public_key"):
        (before,) = await store.select(f"SELECT {column} AS value FROM events.checkpoints")
        altered = f"{column} + 1" if column == "recorded_at" else f"sha256({column})"
        await forge(store, f"UPDATE events.checkpoints SET {column} = {altered}")
        with pytest.raises(LedgerBroken, match="was altered"):
            await signed(store)
        value = before["value"] if column == "recorded_at" else f"'\\x{before['value'].hex()}'"
        await forge(store, f"UPDATE events.checkpoints SET {column} = {value}")
    assert (await signed(store)).statement.position == 9


async def test_a_new_master_key_signs_from_then_on_and_the_old_one_is_still_ours(store: Store) -> None:
    await fill(store)
    first = await signed(store)
    await store.update(C1, name="Later")
    keys = MasterKeys({1: store.master_keys._keys[1], 2: bytes(32)})
    second = await sign_ledger(store.database, M1, keys)
    assert second is not None
    assert second.checkpoint.public_key == public_key(keys, 2) != first.public_key


async def test_checkpoints_and_nodes_are_append_only(store: Store, committing: Appender) -> None:
    await grow(committing, 1, 300)
    await signed(store)
    for table in ("checkpoints", "merkle_nodes"):
        for attack in (f"UPDATE events.{table} SET hash = ''", f"DELETE FROM events.{table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await committing.raw.execute(attack)
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await store.admin._pool.execute(attack)


async def test_the_schedule_signs_what_has_moved_and_publishes_it(
    store: Store, nats_server: EmbeddedNats
) -> None:
    await fill(store)
    async with listening(nats_server, M1) as subscription:
        task = asyncio.create_task(
            run_checkpoints(store.url, nats_server.url, store.master_keys, seconds=0.05)
        )
        try:
            first = await heard(subscription)
            outcome = await store.update(C1, name="Later")
            second = await heard(subscription)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    assert (first.statement.position, second.statement.position) == (8, outcome.position)
    assert await findings_against(store, first, second) == []


async def test_a_schedule_of_zero_seconds_is_none(store: Store) -> None:
    await fill(store)
    await run_checkpoints(store.url, None, store.master_keys, seconds=0)
    assert await kept(store) == 0
