"""`events.append`, commands beside each other: each decided as if it were alone, after those before it."""

from __future__ import annotations

import random
from typing import Any

from events.command import Append
from tests.support.store import (
    C1,
    C2,
    C3,
    FINGERPRINT,
    M1,
    M2,
    M3,
    NOWHERE,
    OTHER_FINGERPRINT,
    Appender,
    changing,
    creating,
    customer_id,
    keyed,
    remembering,
)

A, B, C = "a@example.com", "b@example.com", "c@example.com"
KEY, KEY2 = b"k" * 32, b"l" * 32


async def test_every_refusal_in_one_batch_undoes_none_of_its_neighbours(
    appender: Appender,
) -> None:
    before = creating(C1, A, **keyed(KEY))
    await appender.append(before)
    assert await appender.kinds(
        creating(C2, B),
        creating(C3, A),
        changing(C2, 2),
        changing(C2, 7),
        before,
        changing(C2, 3),
        creating(C3, C, **keyed(KEY)),
        creating(C3, C, **keyed(KEY, OTHER_FINGERPRINT)),
        creating(C3, C, merchant=NOWHERE),
        creating(C3, C),
    ) == [
        "appended",
        "email_taken",
        "appended",
        "version_conflict",
        "already",
        "appended",
        "replayed",
        "fingerprint_mismatch",
        "unknown_merchant",
        "appended",
    ]
    assert await appender.check() == {M1: 5}
    assert [row["email_key"] for row in await appender.rows("email_claims")] == [A, B, C]
    assert [row["customer_id"] for row in await appender.rows("customer_keys")] == [C1, C2, C3]
    assert [row["key"] for row in await appender.rows("idempotency_keys")] == [KEY]


async def test_of_two_with_one_key_in_a_batch_the_second_replays_the_first(appender: Appender) -> None:
    first, second = await appender.append(creating(C1, A, **keyed(KEY)), creating(C2, B, **keyed(KEY)))
    assert first.kind == "appended"
    assert (second.kind, second.customer_id, second.version, second.status) == ("replayed", C1, 1, 201)
    assert len(await appender.rows("customer_events")) == 1


async def test_of_two_with_one_key_and_different_requests_the_second_mismatches(appender: Appender) -> None:
    assert await appender.kinds(
        creating(C1, A, **keyed(KEY)), creating(C2, B, **keyed(KEY, OTHER_FINGERPRINT))
    ) == ["appended", "fingerprint_mismatch"]


async def test_of_two_with_one_email_in_a_batch_the_first_gets_it(appender: Appender) -> None:
    first, second = await appender.append(creating(C1, A), creating(C2, A))
    assert (first.kind, second.kind, second.customer_id) == ("appended", "email_taken", C1)


async def test_an_email_freed_in_a_batch_may_be_taken_later_in_it(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    assert await appender.kinds(
        creating(C2, A),
        changing(C1, 2, topic="CustomerDeleted", email_release=A),
        creating(C3, A),
    ) == ["email_taken", "appended", "appended"]
    assert [row["customer_id"] for row in await appender.rows("email_claims")] == [C3]


async def test_two_customers_may_exchange_emails_only_by_a_third(appender: Appender) -> None:
    await appender.append(creating(C1, A), creating(C2, B))
    assert await appender.kinds(
        changing(C1, 2, email_claim=B, email_release=A),
        changing(C1, 2, email_claim=C, email_release=A),
        changing(C2, 2, email_claim=A, email_release=B),
        changing(C1, 3, email_claim=B, email_release=C),
    ) == ["email_taken", "appended", "appended", "appended"]
    claims = {row["email_key"]: row["customer_id"] for row in await appender.rows("email_claims")}
    assert claims == {A: C2, B: C1}


async def test_of_two_with_one_version_in_a_batch_the_first_gets_it(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    first, second = await appender.append(changing(C1, 2), changing(C1, 2, state=b"another"))
    assert (first.kind, second.kind, second.version) == ("appended", "version_conflict", 2)


async def test_one_command_twice_in_a_batch_is_written_once(appender: Appender) -> None:
    first, second = await appender.append(creating(C1, A), creating(C1, A))
    assert first.kind == "appended"
    assert second == first._replace(kind="already")
    assert len(await appender.rows("customer_events")) == 1


async def test_a_refused_command_leaves_its_key_free_for_the_next(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    assert await appender.kinds(creating(C2, A, **keyed(KEY)), creating(C2, B, **keyed(KEY))) == [
        "email_taken",
        "appended",
    ]


async def test_a_customer_may_live_and_die_in_one_batch(appender: Appender) -> None:
    assert (
        await appender.kinds(
            creating(C1, A, **keyed(KEY)),
            remembering(C1, 1, KEY2),
            changing(C1, 2, email_claim=B, email_release=A),
            changing(C1, 3, topic="CustomerDeleted", email_release=B),
        )
        == ["appended"] * 4
    )
    assert await appender.rows("email_claims") == []
    assert await appender.check() == {M1: 3}


async def test_a_customer_may_be_created_and_erased_in_one_batch(appender: Appender) -> None:
    assert (
        await appender.kinds(
            creating(C1, A),
            changing(C1, 2, topic="CustomerErased", email_release=A),
            creating(C2, A),
        )
        == ["appended"] * 3
    )
    keys = await appender.rows("customer_keys")
    assert [(row["customer_id"], row["wrapped_key"] is None) for row in keys] == [(C1, True), (C2, False)]
    assert await appender.check() == {M1: 3}


async def test_merchants_mixed_in_a_batch_keep_their_own_ledgers_emails_and_keys(
    appender: Appender,
) -> None:
    merchants = [M3, M1, NOWHERE, M2, M1, M3, M2, NOWHERE, M1]
    commands = [
        creating(customer_id(number), f"{number}@example.com", merchant, **keyed(bytes([number])))
        for number, merchant in enumerate(merchants)
    ]
    outcomes = await appender.append(*commands)
    assert [outcome.position for outcome in outcomes] == [1, 1, None, 1, 2, 2, 2, None, 3]
    assert await appender.check() == {M1: 3, M2: 2, M3: 2}


async def test_an_unknown_merchant_between_two_runs_does_not_cut_a_ledger(
    appender: Appender,
) -> None:
    await appender.append(
        creating(C1, A), creating(C1, A, merchant=NOWHERE), changing(C1, 2), creating(C2, A, merchant=M2)
    )
    await appender.append(changing(C1, 3))
    assert await appender.check() == {M1: 3, M2: 1}


async def test_a_customer_id_may_be_another_customer_at_another_merchant(
    appender: Appender,
) -> None:
    assert await appender.kinds(
        creating(C1, A, M1), creating(C1, A, M2), changing(C1, 2, M1), changing(C1, 3, M2)
    ) == ["appended", "appended", "appended", "version_conflict"]
    assert await appender.check() == {M1: 2, M2: 1}


class Model:
    """What `events.append` is to answer, in the plainest words."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str], int] = {}
        self.written: dict[tuple[str, str, int], bytes | None] = {}
        self.claims: dict[tuple[str, str | None], str] = {}
        self.keys: dict[tuple[str, bytes], tuple[Append, bytes | None]] = {}
        self.erased: set[tuple[str, str]] = set()

    def append(self, command: Append) -> str:
        merchant, customer, version = command[:3]
        if merchant == NOWHERE:
            return "unknown_merchant"
        same = command.topic is not None and self.written.get((merchant, customer, version)) == command.state
        if command.idempotency_key and (merchant, command.idempotency_key) in self.keys:
            if self.keys[merchant, command.idempotency_key][1] != command.fingerprint:
                return "fingerprint_mismatch"
            return "already" if same else "replayed"
        if same:
            return "already"
        if self.versions.get((merchant, customer), 0) != version - (command.topic is not None):
            return "version_conflict"
        if command.email_claim and self.claims.get((merchant, command.email_claim), customer) != customer:
            return "email_taken"
        self._write(command)
        return "appended"

    def _write(self, command: Append) -> None:
        merchant, customer, version = command[:3]
        if command.email_claim:
            self.claims[merchant, command.email_claim] = customer
        if self.claims.get((merchant, command.email_release)) == customer:
            del self.claims[merchant, command.email_release]
        if command.topic:
            self.versions[merchant, customer] = version
            self.written[merchant, customer, version] = command.state
        if command.topic == "CustomerErased":
            self.erased.add((merchant, customer))
        if command.idempotency_key:
            self.keys[merchant, command.idempotency_key] = command, command.fingerprint


def any_command(chance: random.Random) -> Append:
    """Some command; few merchants, customers, versions, emails and keys, so that they often meet."""
    merchant = chance.choice([M1, M1, M2, M3, NOWHERE])
    customer, version = chance.choice([C1, C2, C3]), chance.randint(1, 5)
    more: dict[str, Any] = {
        "idempotency_key": chance.choice([None, None, KEY, KEY2]),
        "fingerprint": chance.choice([FINGERPRINT, FINGERPRINT, OTHER_FINGERPRINT]),
    }
    if more["idempotency_key"] and chance.random() < 0.3:
        return remembering(customer, version, KEY, merchant)._replace(**more)
    state = chance.choice([b"one", b"two"])
    if version == 1:
        return creating(customer, chance.choice([A, B, C]), merchant, state=state, **more)
    emails = [None, A, B, C]
    claim, release = chance.choice(emails), chance.choice(emails)
    if claim == release:
        release = None
    if chance.random() < 0.3:
        more["topic"] = "CustomerErased"
    return changing(
        customer, version, merchant, state=state, email_claim=claim, email_release=release, **more
    )


async def test_any_batches_are_answered_as_the_plainest_model_answers_them(
    appender: Appender,
) -> None:
    chance, model, seen = random.Random(7), Model(), set()
    for _ in range(60):
        commands = [any_command(chance) for _ in range(chance.randint(1, 12))]
        expected = [model.append(command) for command in commands]
        assert await appender.kinds(*commands) == expected
        seen.update(expected)
        if chance.random() < 0.1:
            await appender.raw.execute("DELETE FROM events.idempotency_keys")
            model.keys.clear()
    assert len(seen) == 7
    rows = await appender.rows("email_claims")
    claims = {(row["merchant_id"], row["email_key"]): row["customer_id"] for row in rows}
    assert claims == model.claims
    heads = {
        (row["merchant_id"], row["originator_id"]): row["originator_version"]
        for row in await appender.rows("customer_events")
    }
    assert heads == model.versions
    keys = await appender.rows("customer_keys")
    erased = {(row["merchant_id"], row["customer_id"]) for row in keys if row["wrapped_key"] is None}
    assert erased == model.erased
    assert len(erased) > 1
    assert len(keys) == len(heads)
