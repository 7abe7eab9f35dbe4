"""What `customers demo` has done so far, and the stats that have to come of it.

In: each happening, once it is published. Out: numbers; and per customer the stats that `?expand=stats`
answers as soon as everything was taken in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from service.demo.payments import Happening

TOTALS_CURRENCY = "USDC"
"""The demo merchant's."""


@dataclass
class Stats:
    """What one customer's stats come to."""

    invoices: set[str] = field(default_factory=set)
    charges: set[str] = field(default_factory=set)
    total_spent: Decimal = Decimal("0.00")

    def rendered(self) -> dict[str, int | str]:
        """As the service answers them."""
        return {
            "invoiceCount": len(self.invoices),
            "chargeCount": len(self.charges),
            "totalSpent": f"{self.total_spent:.2f}",
        }


@dataclass
class Totals:
    """Counters of a run."""

    customers: int = 0
    changes: int = 0
    deletions: int = 0
    charges: int = 0
    charge_events: int = 0
    invoices: int = 0
    invoice_events: int = 0
    by_customer: dict[str, Stats] = field(default_factory=dict)

    def of(self, customer_id: str) -> Stats:
        """The customer's stats as they have to become."""
        return self.by_customer.setdefault(customer_id, Stats())

    def note(self, happening: Happening) -> None:
        """Count what was published."""
        stats = self.of(happening.data["customerId"])
        if happening.event.startswith("charge."):
            self._note_charge(happening, stats)
        else:
            self._note_invoice(happening, stats)

    def _note_charge(self, happening: Happening, stats: Stats) -> None:
        data = happening.data
        self.charge_events += 1
        self.charges += data["id"] not in stats.charges
        stats.charges.add(data["id"])
        if data["status"] == "COMPLETED" and data["currency"] == TOTALS_CURRENCY:
            stats.total_spent += Decimal(data["amount"])

    def _note_invoice(self, happening: Happening, stats: Stats) -> None:
        self.invoice_events += 1
        self.invoices += happening.event == "invoice.created"
        if happening.event == "invoice.deleted":
            stats.invoices.discard(happening.data["id"])
        else:
            stats.invoices.add(happening.data["id"])
