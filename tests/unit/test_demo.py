"""The demo's inventions: customers that the contract takes, events in its envelope, totals that add up."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from random import Random

import orjson
import pytest

from service.customer_input import parse_create, parse_patch
from service.demo.payments import CHARGE_LIVES, Happening, charge_life, invoice_life
from service.demo.people import invent_change, invent_customer
from service.demo.totals import Totals

MOMENT = datetime(2026, 11, 25, 12, 30, 0, 250_000, UTC)
FINAL = {"COMPLETED", "EXPIRED", "UNDERPAID", "CANCELLED"}


def charge(seed: int, number: int = 0, customer_id: str = "cus_1") -> list[Happening]:
    return list(
        charge_life(
            Random(seed),
            lambda: MOMENT,
            charge_id=f"chrg_{number}",
            merchant_id="mer_1",
            customer_id=customer_id,
        )
    )


def invoice(seed: int, number: int = 0, customer_id: str = "cus_1") -> list[Happening]:
    return list(
        invoice_life(
            Random(seed),
            lambda: MOMENT,
            invoice_id=f"inv_{number}",
            merchant_id="mer_1",
            customer_id=customer_id,
        )
    )


def test_every_invented_customer_is_one_that_the_contract_takes() -> None:
    chance = Random(1)
    for _ in range(500):
        parse_create(invent_customer(chance))
        parse_patch(invent_change(chance))


def test_no_invented_email_is_anybodys_and_no_two_are_the_same() -> None:
    chance = Random(1)
    emails = [invent_customer(chance)["email"] for _ in range(500)]
    assert all(email.endswith("@example.com") for email in emails)
    assert len(set(emails)) == 500


def test_about_one_customer_in_ten_is_a_company_with_a_tax_id() -> None:
    chance = Random(1)
    companies = [body for body in (invent_customer(chance) for _ in range(1000)) if "companyName" in body]
    assert 60 < len(companies) < 140
    assert all(body["taxId"] for body in companies)


def test_an_event_has_the_contracts_envelope_subject_and_id() -> None:
    first = charge(seed=1)[0]
    assert first.subject == "charges.mer_1.chrg_0"
    assert first.headers == {"Nats-Msg-Id": "chrg_0-charge.pending"}
    envelope = orjson.loads(first.body)
    assert list(envelope) == ["event", "timestamp", "data"]
    assert (envelope["event"], envelope["timestamp"]) == ("charge.pending", "2026-11-25T12:30:00.250Z")
    assert set(envelope["data"]) == {
        "id", "orderId", "amount", "amountReceived", "currency", "status", "merchantId", "customerId",
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(50))
def test_a_charge_keeps_its_amount_and_ends_once(seed: int) -> None:
    life = charge(seed)
    statuses = tuple(happening.data["status"] for happening in life)
    assert statuses in CHARGE_LIVES
    assert statuses[-1] in FINAL
    assert not FINAL & set(statuses[:-1])
    assert len({happening.data["amount"] for happening in life}) == 1
    assert [happening.event for happening in life] == [f"charge.{status.lower()}" for status in statuses]
    assert Decimal(life[0].data["amount"]) > 0


@pytest.mark.parametrize("seed", range(20))
def test_an_invoice_begins_with_its_creation(seed: int) -> None:
    life = invoice(seed)
    assert life[0].event == "invoice.created"
    assert life[0].subject == "invoices.mer_1.inv_0"
    assert len({happening.headers["Nats-Msg-Id"] for happening in life}) == len(life)


def test_totals_equal_a_recount_of_the_events() -> None:
    totals = Totals()
    charges = [charge(seed, seed, f"cus_{seed % 3}") for seed in range(60)]
    invoices = [invoice(seed, seed, f"cus_{seed % 3}") for seed in range(60)]
    for happening in itertools.chain(*charges, *invoices):
        totals.note(happening)
    assert (totals.charges, totals.invoices) == (60, 60)
    assert totals.charge_events == sum(map(len, charges))
    for customer_id in ("cus_0", "cus_1", "cus_2"):
        ends = [life[-1] for life in charges if life[0].data["customerId"] == customer_id]
        spent = sum(
            Decimal(end.data["amount"])
            for end in ends
            if end.data["status"] == "COMPLETED" and end.data["currency"] == "USDC"
        )
        mine = [life[-1].event for life in invoices if life[0].data["customerId"] == customer_id]
        assert totals.of(customer_id).rendered() == {
            "invoiceCount": len(mine) - mine.count("invoice.deleted"),
            "chargeCount": 20,
            "totalSpent": f"{spent:.2f}",
        }
