"""Epochs: an operator counts the histories of ledgers; what was signed before counts as far as it holds."""

from __future__ import annotations

import pytest

from events.errors import LedgerBroken
from events.proof.checkpointing import moved_ledgers, sign_and_publish
from events.proof.history_proof import prove_history
from service.embedded.postgres import EmbeddedPostgres
from tests.support.auditing import fill, findings_against, places, signed
from tests.support.databases import TestDatabase, fresh_database
from tests.support.restoring import KEYS
from tests.support.store import C1, C2, M1, M2, M3, Store, opened_store
from tests.support.terminal import CommandLine


async def begin(store: Store, epoch: int = 2, merchant: str = M1) -> None:
    """The merchant's ledger begins this epoch."""
    raised = await store.select("SELECT FROM events.raise_epochs($1, $2, 'a test')", [merchant], [epoch])
    assert len(raised) == 1


# The command


async def test_a_new_epoch_begins_once_at_each_head(
    command_line: CommandLine, commanded_store: Store
) -> None:
    await fill(commanded_store)
    assert await command_line.run("merchants", "new-epoch", M1) == f"{M1} begins epoch 2 at position 8"
    assert await command_line.run("merchants", "new-epoch", M1) == f"{M1} stays in epoch 2 at position 8"
    await commanded_store.update(C1, name="Later")
    assert await command_line.run("merchants", "new-epoch", M1) == f"{M1} begins epoch 3 at position 9"


async def test_all_ledgers_begin_one_and_who_was_interrupted_repeats_it(
    command_line: CommandLine, commanded_store: Store
) -> None:
    await fill(commanded_store)
    await begin(commanded_store, 2, M2)
    assert (await command_line.run("merchants", "new-epoch", "--all")).splitlines() == [
        f"{M1} begins epoch 2 at position 8",
        f"{M2} stays in epoch 2 at position 2",
        f"{M3} begins epoch 2 at position 0",
    ]
    (reason,) = await commanded_store.select("SELECT reason FROM events.epochs WHERE merchant_id = $1", M1)
    assert reason["reason"] == "an operator said so"


async def test_who_knows_a_higher_epoch_names_it(command_line: CommandLine, commanded_store: Store) -> None:
    await fill(commanded_store)
    named = ("merchants", "new-epoch", M1, "--epoch")
    assert await command_line.run(*named, "7") == f"{M1} begins epoch 7 at position 8"
    assert await command_line.run(*named, "7") == f"{M1} stays in epoch 7 at position 8"
    assert await command_line.run(*named, "3") == f"{M1} stays in epoch 7 at position 8"
    assert "an epoch rises by 1000 at once at most" in await command_line.run(*named, "1008", status=1)
    assert await command_line.run(*named, "1007") == f"{M1} begins epoch 1007 at position 8"


async def test_wrong_uses_are_refused(command_line: CommandLine, commanded_store: Store) -> None:
    assert "no merchant mer_nobody" in await command_line.run(
        "merchants", "new-epoch", "mer_nobody", status=1
    )
    for wrong in ((), (M1, "--all"), (M1, "--epoch", "1")):
        await command_line.run("merchants", "new-epoch", *wrong, status=2)


# Checkpoints


async def test_a_new_epoch_is_signed_from_the_first_event_on_without_being_asked(store: Store) -> None:
    await fill(store)
    first = await signed(store)
    assert await moved_ledgers(store.database, "") == [M2]
    await begin(store)
    assert await moved_ledgers(store.database, "") == [M1, M2]
    await sign_and_publish(store.database, None, store.master_keys)
    second = await signed(store)
    assert second.statement == first.statement._replace(epoch=2)
    await store.update(C1, name="Later")
    assert (await signed(store)).statement.position == 9
    assert await moved_ledgers(store.database, "") == []


async def test_checkpoints_of_earlier_epochs_hold_as_long_as_the_ledger_has_what_they_say(
    store: Store,
) -> None:
    await fill(store)
    first = await signed(store)
    await begin(store)
    assert await findings_against(store, first) == []
    await store.update(C1, name="Later")
    second = await signed(store)
    await begin(store, 3)
    assert await findings_against(store, first, second) == []


async def test_a_checkpoint_of_a_later_epoch_than_the_ledger_s_is_told_with_what_to_do(
    migrated_postgres: EmbeddedPostgres, ledgers: TestDatabase
) -> None:
    async with opened_store(ledgers, keys=KEYS) as store:
        await fill(store)
    async with fresh_database(migrated_postgres, ledgers.name) as older:
        async with opened_store(ledgers, keys=KEYS) as store:
            await begin(store, 4)
            kept = await signed(store)
        async with opened_store(older, keys=KEYS) as store:
            (found,) = await findings_against(store, kept)
            assert places([found]) == [(M1, 8, None, "epoch")]
            assert f"`customers merchants new-epoch {M1} --epoch 5`" in found.text
            await begin(store, 5)
            assert await findings_against(store, kept) == []


async def test_what_was_lost_is_told_with_the_epoch_that_began_since(
    migrated_postgres: EmbeddedPostgres, ledgers: TestDatabase
) -> None:
    async with opened_store(ledgers, keys=KEYS) as store:
        await fill(store)
        before = await signed(store)
    async with fresh_database(migrated_postgres, ledgers.name) as older:
        async with opened_store(ledgers, keys=KEYS) as store:
            await store.update(C1, name="Lost")
            lost = await signed(store)
        async with opened_store(older, keys=KEYS) as store:
            await begin(store)
            (cut,) = await findings_against(store, before, lost)
            assert places([cut]) == [(M1, 9, None, "cut")]
            assert cut.text.endswith("it is of epoch 1: the ledger has lost history since, and is in epoch 2")
            await store.update(C2, name="Instead")
            (rewritten,) = await findings_against(store, before, lost)
            assert places([rewritten]) == [(M1, 9, None, "rewritten")]
            assert "between positions 9 and 9; it is of epoch 1: the ledger has lost" in rewritten.text
            after = await signed(store)
            assert after.statement.epoch == 2
            assert await findings_against(store, before, after) == []


# Histories


async def test_a_history_is_proved_against_a_checkpoint_kept_in_an_earlier_epoch(store: Store) -> None:
    await fill(store)
    first = await signed(store)
    await begin(store)
    proof = await prove_history(store.database, M1, C2, store.master_keys, [first])
    assert proof is not None
    assert proof.members["checkpoint"] == first.members()
    now = await prove_history(store.database, M1, C2, store.master_keys)
    assert now is not None
    assert now.members["checkpoint"]["epoch"] == 2


async def test_a_checkpoint_of_a_history_that_was_lost_proves_nothing_and_hides_no_later_one(
    migrated_postgres: EmbeddedPostgres, ledgers: TestDatabase
) -> None:
    async with opened_store(ledgers, keys=KEYS) as store:
        await fill(store)
    async with fresh_database(migrated_postgres, ledgers.name) as older:
        async with opened_store(ledgers, keys=KEYS) as store:
            for number in range(3):
                await store.update(C1, name=f"Lost {number}")
            lost = await signed(store)
        async with opened_store(older, keys=KEYS) as store:
            await begin(store)
            with pytest.raises(LedgerBroken, match="kept at position 11 is not one that is stored"):
                await prove_history(store.database, M1, C2, KEYS, [lost])
            kept = await signed(store)
            proof = await prove_history(store.database, M1, C2, KEYS, [kept, lost])
            assert proof is not None
            assert proof.members["checkpoint"] == kept.members()
