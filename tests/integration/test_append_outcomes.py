"""`events.append`, one command at a time: each outcome, and exactly the rows that it leaves."""

from __future__ import annotations

from typing import Any

from events.command import Outcome
from events.ledger import first_hash, leaf_hash, next_hash
from tests.support.store import (
    C1,
    C2,
    FINGERPRINT,
    M1,
    M2,
    NOWHERE,
    OTHER_FINGERPRINT,
    Appender,
    changing,
    creating,
    keyed,
    remembering,
)

A, B = "a@example.com", "b@example.com"
KEY = b"k" * 32


async def unchanged(appender: Appender, before: dict[str, list[dict[str, Any]]]) -> bool:
    return await appender.everything() == before


async def test_appended_leaves_event_head_outbox_claim_data_key_and_idempotency_row(
    appender: Appender,
) -> None:
    command = creating(C1, A, **keyed(KEY))
    [outcome] = await appender.append(command)
    moment = outcome.recorded_at
    assert moment is not None
    assert outcome == Outcome("appended", 1, moment, C1, 1, 201)
    assert command.topic is not None
    assert command.state is not None
    assert command.metadata is not None
    leaf = leaf_hash(1, moment, C1, 1, command.topic, command.metadata, command.state)
    digest = next_hash(first_hash(M1), leaf)

    [event] = await appender.rows("customer_events")
    notification_id = event.pop("notification_id")
    assert event == {
        "originator_id": C1,
        "originator_version": 1,
        "topic": command.topic,
        "state": command.state,
        "merchant_id": M1,
        "position": 1,
        "recorded_at": moment,
        "hash": digest,
        "metadata": command.metadata,
    }
    head = (await appender.rows("merchants"))[0]
    assert (head["position"], head["recorded_at"], head["hash"], head["epoch"]) == (1, moment, digest, 1)
    assert await appender.rows("outbox") == [
        {"notification_id": notification_id, "merchant_id": M1, "position": 1}
    ]
    assert await appender.rows("email_claims") == [{"merchant_id": M1, "email_key": A, "customer_id": C1}]
    assert await appender.rows("customer_keys") == [
        {"merchant_id": M1, "customer_id": C1, "wrapped_key": command.wrapped_key, "master_version": 1}
    ]
    [remembered] = await appender.rows("idempotency_keys")
    assert remembered.pop("created_at") <= moment
    assert remembered == {
        "merchant_id": M1,
        "key": KEY,
        "fingerprint": FINGERPRINT,
        "customer_id": C1,
        "version": 1,
        "status": 201,
    }


async def test_the_next_event_follows_in_position_time_and_hash(
    appender: Appender,
) -> None:
    [first] = await appender.append(creating(C1, A))
    [second] = await appender.append(changing(C1, 2))
    assert (second.kind, second.position, second.version, second.status) == ("appended", 2, 2, 200)
    assert first.recorded_at is not None
    assert second.recorded_at is not None
    assert second.recorded_at > first.recorded_at
    assert await appender.check() == {M1: 2}


async def test_the_same_command_again_is_already_there_with_its_position_and_time(appender: Appender) -> None:
    command = creating(C1, A)
    [first] = await appender.append(command)
    await appender.append(changing(C1, 2))
    before = await appender.everything()
    [again] = await appender.append(command)
    assert again == first._replace(kind="already")
    assert await unchanged(appender, before)


async def test_the_same_keyed_command_again_is_already_there_and_no_replay(appender: Appender) -> None:
    command = creating(C1, A, **keyed(KEY))
    [first] = await appender.append(command)
    before = await appender.everything()
    [again] = await appender.append(command)
    assert again == first._replace(kind="already")
    assert await unchanged(appender, before)


async def test_a_key_answered_before_replays_its_customer_version_and_status(appender: Appender) -> None:
    await appender.append(creating(C1, A, **keyed(KEY)))
    before = await appender.everything()
    [replay] = await appender.append(creating(C2, B, **keyed(KEY)))
    assert replay == Outcome("replayed", None, None, C1, 1, 201)
    assert await unchanged(appender, before)


async def test_a_replay_is_decided_before_version_and_email(appender: Appender) -> None:
    await appender.append(creating(C1, A, **keyed(KEY)))
    [replay] = await appender.append(changing(C1, 9, email_claim=A, **keyed(KEY)))
    assert replay.kind == "replayed"


async def test_a_key_with_another_fingerprint_is_a_mismatch(appender: Appender) -> None:
    await appender.append(creating(C1, A, **keyed(KEY)))
    before = await appender.everything()
    [refused] = await appender.append(creating(C2, B, **keyed(KEY, OTHER_FINGERPRINT)))
    assert refused == Outcome("fingerprint_mismatch", None, None, None, None, None)
    assert await unchanged(appender, before)


async def test_keys_of_different_merchants_are_different_keys(appender: Appender) -> None:
    command = creating(C1, A, **keyed(KEY))
    other = creating(C2, A, merchant=M2, **keyed(KEY, OTHER_FINGERPRINT))
    assert await appender.kinds(command) == ["appended"]
    assert await appender.kinds(other) == ["appended"]


async def test_another_event_of_a_version_that_is_there_is_a_conflict(appender: Appender) -> None:
    await appender.append(creating(C1, A), changing(C1, 2))
    before = await appender.everything()
    [refused] = await appender.append(changing(C1, 2, state=b"something else", **keyed(KEY)))
    assert refused == Outcome("version_conflict", None, None, C1, 2, None)
    assert await unchanged(appender, before)


async def test_a_version_that_leaves_a_gap_is_a_conflict(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    before = await appender.everything()
    [refused] = await appender.append(changing(C1, 3, email_claim=B, email_release=A))
    assert refused == Outcome("version_conflict", None, None, C1, 1, None)
    assert await unchanged(appender, before)


async def test_the_same_state_under_other_metadata_is_another_command(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    [refused] = await appender.append(creating(C1, A, metadata=b'{"by": "another"}'))
    assert refused.kind == "version_conflict"


async def test_a_taken_email_is_refused_and_its_holder_named(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    before = await appender.everything()
    [refused] = await appender.append(creating(C2, A, **keyed(KEY)))
    assert refused == Outcome("email_taken", None, None, C1, None, None)
    assert await unchanged(appender, before)


async def test_ones_own_claim_is_success(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    assert await appender.kinds(changing(C1, 2, email_claim=A)) == ["appended"]
    assert len(await appender.rows("email_claims")) == 1


async def test_changing_the_email_frees_the_old_one_and_takes_the_new(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    assert await appender.kinds(changing(C1, 2, email_claim=B, email_release=A)) == ["appended"]
    assert await appender.rows("email_claims") == [{"merchant_id": M1, "email_key": B, "customer_id": C1}]


async def test_nobody_releases_the_claim_of_another(appender: Appender) -> None:
    await appender.append(creating(C1, A), creating(C2, B))
    assert await appender.kinds(changing(C2, 2, email_release=A)) == ["appended"]
    assert [row["email_key"] for row in await appender.rows("email_claims")] == [A, B]


async def test_an_unknown_merchant_is_told_so_and_nothing_is_left(appender: Appender) -> None:
    before = await appender.everything()
    [refused] = await appender.append(creating(C1, A, merchant=NOWHERE, **keyed(KEY)))
    assert refused == Outcome("unknown_merchant", None, None, None, None, None)
    assert await unchanged(appender, before)


async def test_a_command_without_an_event_remembers_its_key_alone(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    before = await appender.everything()
    [outcome] = await appender.append(remembering(C1, 1, KEY))
    assert outcome == Outcome("appended", None, None, C1, 1, 200)
    after = await appender.everything()
    assert [row["key"] for row in after.pop("idempotency_keys")] == [KEY]
    before.pop("idempotency_keys")
    assert after == before


async def test_a_command_without_an_event_again_replays(appender: Appender) -> None:
    await appender.append(creating(C1, A), remembering(C1, 1, KEY))
    assert await appender.append(remembering(C1, 1, KEY)) == [Outcome("replayed", None, None, C1, 1, 200)]


async def test_a_command_without_an_event_conflicts_when_the_customer_has_moved_on(
    appender: Appender,
) -> None:
    await appender.append(creating(C1, A), changing(C1, 2))
    [refused] = await appender.append(remembering(C1, 1, KEY))
    assert refused == Outcome("version_conflict", None, None, C1, 2, None)
    assert await appender.rows("idempotency_keys") == []


async def test_the_customer_of_another_merchant_is_no_customer(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    [refused] = await appender.append(changing(C1, 2, merchant=M2))
    assert refused == Outcome("version_conflict", None, None, C1, 0, None)


async def test_an_erasure_destroys_the_key_of_its_customer_alone_and_leaves_the_key_s_row(
    appender: Appender,
) -> None:
    await appender.append(creating(C1, A), creating(C2, B), creating(C1, A, merchant=M2))
    for merchant, customer in ((M1, C1), (M1, C2), (M2, C1)):
        await appender.raw.execute(
            "INSERT INTO events.customer_snapshots VALUES ($1, 1, 'CustomerSnapshot', '', $2)",
            customer,
            merchant,
        )
    erasing = changing(C1, 2, topic="CustomerErased", email_release=A)
    [outcome] = await appender.append(erasing)
    assert (outcome.kind, outcome.position) == ("appended", 3)
    assert await appender.append(erasing) == [outcome._replace(kind="already")]
    keys = {(row["merchant_id"], row["customer_id"]): row for row in await appender.rows("customer_keys")}
    assert {key for key, row in keys.items() if row["wrapped_key"] is None} == {(M1, C1)}
    assert len(keys) == 3
    snapshots = await appender.rows("customer_snapshots", "merchant_id, originator_id")
    assert [(row["merchant_id"], row["originator_id"]) for row in snapshots] == [(M1, C2), (M2, C1)]
    assert [row["customer_id"] for row in await appender.rows("email_claims")] == [C2, C1]
    assert await appender.check() == {M1: 3, M2: 1}


async def test_an_erasure_that_is_refused_destroys_nothing(appender: Appender) -> None:
    await appender.append(creating(C1, A))
    before = await appender.everything()
    assert await appender.kinds(changing(C1, 3, topic="CustomerErased", email_release=A)) == [
        "version_conflict"
    ]
    assert await unchanged(appender, before)


async def test_no_commands_have_no_outcomes(appender: Appender) -> None:
    assert await appender.append() == []


async def test_time_never_stands_still_nor_goes_back_in_a_ledger(
    appender: Appender,
) -> None:
    outcomes = await appender.append(creating(C1, A), *[changing(C1, version) for version in range(2, 50)])
    moments = [outcome.recorded_at for outcome in outcomes if outcome.recorded_at is not None]
    assert len(moments) == 49
    assert moments == sorted(set(moments))
    await appender.check()
