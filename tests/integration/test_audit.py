"""F35: whatever a superuser does to a ledger is found, and its first bad position is named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable

import pytest
import pytest_asyncio

from events.errors import LedgerBroken, LedgerUnknown
from events.master_keys import MasterKeys
from events.proof import ledger_reading, verification
from events.proof.audit import verify_ledger
from events.proof.checkpoint import Checkpoint, sign
from events.proof.merkle import Tree
from events.proof.verification import LedgerRow, Place
from events.signing import public_keys
from service.embedded.postgres import EmbeddedPostgres
from tests.support.auditing import (
    KEEP,
    LEDGER,
    RESTORE,
    fill,
    findings,
    findings_against,
    forge,
    forget_checkpoints,
    places,
    rewrite,
    signed,
)
from tests.support.databases import fresh_database
from tests.support.proving import prove
from tests.support.store import C1, C2, C3, M1, M2, NOWHERE, Store, make_merchants, opened_store

EVENT = "UPDATE events.customer_events SET {} WHERE merchant_id = '" + M1 + "' AND position = {}"
HEAD = "UPDATE events.merchants SET {} WHERE id = '" + M1 + "'"


def changed(column: str, value: str, position: int = 4) -> str:
    return EVENT.format(f"{column} = {value}", position)


def moved(position: int, to: int) -> str:
    return changed("position", str(to), position)


FORGERIES: dict[str, tuple[list[str], tuple[str, int, str | None, str]]] = {
    "state": ([changed("state", "state || ' '")], (M1, 4, C3, "edited")),
    "metadata": ([changed("metadata", "'{}x'")], (M1, 4, C3, "edited")),
    "time": ([changed("recorded_at", "recorded_at + 1")], (M1, 4, C3, "edited")),
    "a time below zero": ([changed("recorded_at", "-1")], (M1, 4, C3, "edited")),
    "topic": ([changed("topic", "'CustomerUpdated'")], (M1, 4, C3, "edited")),
    "version": ([changed("originator_version", "9")], (M1, 4, C3, "edited")),
    "customer": ([changed("originator_id", f"'{NOWHERE}'")], (M1, 4, NOWHERE, "edited")),
    "hash": ([changed("hash", "sha256(hash)")], (M1, 4, C3, "edited")),
    "the last hash": ([changed("hash", "sha256(hash)", 8)], (M1, 8, C2, "edited")),
    "position": ([moved(4, 100)], (M1, 4, C3, "reordered")),
    "position of the last": ([moved(8, 9)], (M1, 8, C2, "reordered")),
    "position below one": ([moved(4, 0)], (M1, 4, None, "missing")),
    "deleted": ([f"DELETE FROM events.customer_events WHERE merchant_id = '{M1}' AND position = 4"],
        (M1, 4, None, "missing")),
    "deleted first": ([f"DELETE FROM events.customer_events WHERE merchant_id = '{M1}' AND position = 1"],
        (M1, 1, None, "missing")),
    "all deleted": ([f"DELETE FROM events.customer_events WHERE merchant_id = '{M1}'"], (M1, 1, None, "cut")),
    "last one cut": ([f"DELETE FROM events.customer_events WHERE merchant_id = '{M1}' AND position = 8"],
        (M1, 8, None, "cut")),
    "swapped": ([moved(3, 100), moved(5, 3), moved(100, 5)], (M1, 3, C1, "reordered")),
    "another merchant's": (
        [f"""UPDATE events.customer_events AS e SET state = o.state FROM events.customer_events AS o
        WHERE e.merchant_id = '{M1}' AND e.position = 4 AND o.merchant_id = '{M2}' AND o.position = 1"""],
        (M1, 4, C3, "foreign")),
    "a head further on": ([HEAD.format("position = 9")], (M1, 9, None, "cut")),
    "a head's hash": ([HEAD.format("hash = ''")], (M1, 8, None, "head")),
    "a head's time": ([HEAD.format("recorded_at = 1")], (M1, 8, None, "head")),
}  # fmt: skip


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_store(migrated_postgres: EmbeddedPostgres) -> AsyncIterator[Store]:
    """A filled store for all forgeries that are undone."""
    async with fresh_database(migrated_postgres) as database:
        await make_merchants(database, M1, M2)
        async with opened_store(database) as store:
            await fill(store)
            await forge(store, *KEEP)
            yield store


async def check_forgery(store: Store, forgery: str) -> None:
    """Forge, and assert that exactly that is found."""
    statements, place = FORGERIES[forgery]
    assert await findings(store.database) == []
    await forge(store, *statements)
    assert places(await findings(store.database)) == [place]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forgery_is_found_at_its_first_position(shared_store: Store, forgery: str) -> None:
    await forge(shared_store, *RESTORE)
    await check_forgery(shared_store, forgery)


async def test_an_event_moved_to_another_merchant_is_missed_by_one_and_foreign_to_the_other(
    store: Store,
) -> None:
    await fill(store)
    await forge(store, changed("merchant_id", f"'{M2}'"))
    assert places(await findings(store.database)) == [(M1, 4, None, "missing"), (M2, 4, C3, "beyond head")]


async def test_an_event_of_a_merchant_that_is_not_there_is_found(store: Store) -> None:
    await fill(store)
    await forge(store, changed("merchant_id", f"'{NOWHERE}'", 8))
    assert places(await findings(store.database)) == [(M1, 8, None, "cut"), (NOWHERE, 8, C2, "foreign")]


async def test_a_second_event_at_a_position_is_found(store: Store) -> None:
    await fill(store)
    await forge(
        store,
        "ALTER TABLE events.customer_events DROP CONSTRAINT customer_events_position",
        moved(4, 3),
    )
    (found,) = await findings(store.database)
    assert found.position in (3, 4)  # whichever of the two is read first


async def test_a_cut_tail_with_a_head_that_fits_shows_by_a_checkpoint_alone(store: Store) -> None:
    await fill(store)
    kept = await signed(store)
    await forge(store, f"DELETE FROM events.customer_events WHERE merchant_id = '{M1}' AND position > 6")
    await rewrite(store)
    assert places(await findings(store.database)) == [(M1, 7, None, "cut")]
    await forget_checkpoints(store)
    assert await findings(store.database) == []
    assert places(await findings_against(store, kept)) == [(M1, 7, None, "cut")]


async def test_a_ledger_rewritten_as_a_whole_shows_by_a_checkpoint_alone(store: Store) -> None:
    await fill(store)
    kept = await signed(store)
    await forge(store, changed("state", "state || ' '"))
    await rewrite(store)
    assert places(await findings(store.database)) == [(M1, 8, None, "rewritten")]
    await forget_checkpoints(store)
    assert await findings(store.database) == []
    found = await findings_against(store, kept)
    assert places(found) == [(M1, 8, None, "rewritten")]
    assert "between positions 1 and 8" in found[0].text


async def test_two_checkpoints_narrow_down_where_it_was_rewritten(store: Store) -> None:
    await fill(store)
    first = await signed(store)
    await store.update(C1, name="Later")
    second = await signed(store)
    await forge(store, changed("state", "state || ' '", len(LEDGER) + 1))
    await rewrite(store)
    (found,) = await findings_against(store, second, first)
    assert found.position == 9
    assert "between positions 9 and 9" in found.text


async def test_checkpoints_of_a_ledger_that_grew_hold(store: Store) -> None:
    await fill(store)
    kept = [await signed(store), await signed(store, M2)]
    await store.update(C1, name="Later")
    assert await findings_against(store, *kept, await signed(store)) == []


async def test_a_checkpoint_with_another_root_alone_is_contradicted(store: Store) -> None:
    await fill(store)
    kept = await signed(store)
    other = sign(kept.statement._replace(merkle_root=bytes(32)), store.master_keys)
    (found,) = await findings_against(store, other)
    assert (found.kind, "another Merkle root" in found.text) == ("rewritten", True)


async def test_a_checkpoint_that_was_touched_is_not_believed(store: Store) -> None:
    await fill(store)
    kept = await signed(store)
    touched = Checkpoint(kept.statement._replace(position=7), kept.public_key, kept.signature)
    assert places(await findings_against(store, touched)) == [(M1, 7, None, "bad signature")]


async def test_a_checkpoint_of_another_key_is_not_believed(store: Store) -> None:
    await fill(store)
    kept = await signed(store)
    other = sign(kept.statement, MasterKeys.from_text(MasterKeys.generate_text()))
    assert places(await findings_against(store, other)) == [(M1, 8, None, "foreign key")]
    await forget_checkpoints(store)
    assert await findings(store.database, [other], [other.public_key]) == []


async def test_appends_meanwhile_do_no_harm(store: Store) -> None:
    await fill(store)
    kept = await signed(store)

    async def append() -> int:
        for number in range(40):
            await store.update(C1, name=f"Meanwhile {number}")
        return 40

    appending = asyncio.create_task(append())
    rounds = 0
    while not appending.done():
        assert await findings_against(store, kept) == []
        rounds += 1
    assert await appending == 40
    assert rounds > 1


async def test_a_checkpoint_outlives_its_merchant(store: Store) -> None:
    await fill(store)
    kept = await signed(store, M2)
    await forge(
        store,
        f"DELETE FROM events.customer_events WHERE merchant_id = '{M2}'",
        f"DELETE FROM events.merchants WHERE id = '{M2}'",
    )
    assert places(await findings(store.database)) == [(M2, 0, None, "missing")]
    await forget_checkpoints(store)
    assert await findings(store.database) == []
    keys = public_keys(store.master_keys)
    audited = await verify_ledger(store.database, M2, [kept], keys, lambda _: None)
    assert places(audited.findings) == [(M2, 0, None, "missing")]
    with pytest.raises(LedgerUnknown, match=f"there is no merchant {M2}"):
        await verify_ledger(store.database, M2, [], keys, lambda _: None)


async def test_a_stored_checkpoint_that_was_altered_is_told_and_hides_nothing(store: Store) -> None:
    await fill(store)
    await signed(store)
    await signed(store, M2)
    await forge(
        store,
        "ALTER TABLE events.checkpoints DISABLE TRIGGER append_only",
        f"UPDATE events.checkpoints SET merkle_root = sha256(merkle_root) WHERE merchant_id = '{M1}'",
        changed("state", "state || ' '"),
    )
    assert places(await findings_against(store)) == [(M1, 8, None, "bad signature"), (M1, 4, C3, "edited")]
    other = sign(
        (await signed(store, M2)).statement, MasterKeys.from_text(MasterKeys.generate_text())
    ).public_key
    kinds = [one.kind for one in await findings(store.database, keys=[other])]
    assert kinds == ["foreign key", "edited", "foreign key"]


KEY = "{} WHERE merchant_id = '" + M1 + "' AND customer_id = '" + C1 + "'"


@pytest.mark.parametrize(
    ("touch", "complaint"),
    [
        ("UPDATE events.customer_keys SET wrapped_key = NULL", "gone, but no event says that it was erased"),
        ("DELETE FROM events.customer_keys", "gone, but no event says that it was erased"),
    ],
)
async def test_a_data_key_that_goes_without_an_erasure_is_found(
    store: Store, touch: str, complaint: str
) -> None:
    await fill(store)
    await forge(store, KEY.format(touch))
    (found,) = await findings(store.database)
    assert places([found]) == [(M1, 1, C1, "data key")]
    assert f"the data key of {C1} is {complaint}" in found.text
    with pytest.raises(LedgerBroken, match=complaint):
        await prove(store, C1)


async def test_a_data_key_that_is_there_after_an_erasure_is_found(store: Store) -> None:
    await fill(store)
    await store.erase(C1)
    assert await findings(store.database) == []
    await forge(store, KEY.format("UPDATE events.customer_keys SET wrapped_key = 'a key'"))
    (found,) = await findings(store.database)
    assert "was erased, but its data key is there" in found.text
    with pytest.raises(LedgerBroken, match="its data key is there"):
        await prove(store, C1)
    await forge(store, KEY.format("DELETE FROM events.customer_keys"))
    (found,) = await findings(store.database)
    assert "the mark of it" in found.text


async def test_a_verifier_that_skips_one_link_fails_these_tests(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store)
    monkeypatch.setattr(ledger_reading, "follow", without_link(4))
    with pytest.raises(AssertionError):
        await check_forgery(store, "state")


def without_link(position: int) -> Callable[..., Place]:
    """The negative control: a verifier that believes the stored hash at one position."""

    def follow(place: Place, rows: Iterable[LedgerRow], tree: Tree | None = None) -> Place:
        for row in rows:
            if row[0] == position:
                place = Place(row[0], row[1], row[7])
            else:
                place = verification.follow(place, [row], tree)
        return place

    return follow
