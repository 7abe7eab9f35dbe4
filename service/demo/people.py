"""Invented customers for `customers demo`: nobody's data, but shaped like somebody's.

In: chance. Out: bodies for POST and PATCH. Addresses of email are in the `example` domains, which belong to
nobody; telephone numbers are from ranges kept for fiction.
"""

from __future__ import annotations

from random import Random
from typing import Any

FIRST_NAMES = (
    "Aisha", "Amélie", "Carlos", "Chloé", "Diego", "Elif", "Emma", "Fatima", "Freja", "Hana", "Ivan", "Jamal",
    "Jürgen", "Kenji", "Léa", "Liam", "Lucía", "Mateo", "Mei", "Noah", "Olga", "Priya", "Søren", "Zofia",
)  # fmt: skip
LAST_NAMES = (
    "Andersson", "Bauer", "Cohen", "Costa", "Dubois", "Fernández", "Haddad", "Ivanova", "Jansen", "Kim",
    "Kowalska", "Kumar", "López", "Müller", "Nguyen", "Okafor", "Rossi", "Sato", "Silva", "Smith", "Öztürk",
)  # fmt: skip
PLACES = (  # city, state, postal code, country, telephone numbers
    ("San Francisco", "CA", "94102", "US", "+1415555{:04d}"),
    ("Austin", "TX", "78701", "US", "+1512555{:04d}"),
    ("Toronto", "ON", "M5H 2N2", "CA", "+1416555{:04d}"),
    ("London", None, "SW1A 1AA", "GB", "+44207946{:04d}"),
    ("Berlin", None, "10115", "DE", None),
    ("Lyon", None, "69001", "FR", None),
    ("Sevilla", None, "41001", "ES", None),
    ("Kraków", None, "31-001", "PL", None),
    ("Ōsaka", None, "530-0001", "JP", None),
    ("São Paulo", "SP", "01001-000", "BR", None),
)
STREETS = ("Main St", "Station Road", "Church Lane", "Garden Street", "Mill Lane", "Harbour Way")
TRADES = ("Bakery", "Books", "Cycles", "Design", "Foods", "Logistics", "Robotics", "Studio", "Textiles")
FORMS = ("Inc", "Ltd", "GmbH", "SARL", "BV")
TIERS = ("bronze", "silver", "gold")
SOURCES = ("referral", "search", "newsletter", "fair")
NOTES = ("Pays by invoice", "Prefers email", "VIP customer", "Ask before shipping")

COMPANIES = 0.1
"""The part of the customers who are companies."""


def invent_customer(chance: Random) -> dict[str, Any]:
    """The body of a POST. Emails differ, also between runs: they end in 32 bits of chance."""
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    city, state, postal_code, country, phone = chance.choice(PLACES)
    body: dict[str, Any] = {
        "email": f"{plain(first)}.{plain(last)}.{chance.getrandbits(32):08x}@example.com",
        "name": f"{first} {last}",
        "phone": phone.format(chance.randrange(100, 200)) if phone else None,
        "address": {
            "line1": f"{chance.randrange(1, 200)} {chance.choice(STREETS)}",
            "line2": f"Apt {chance.randrange(1, 40)}" if chance.random() < 0.3 else None,
            "city": city,
            "state": state,
            "postalCode": postal_code,
            "country": country,
        },
        "metadata": {"tier": chance.choice(TIERS), "source": chance.choice(SOURCES)},
    }
    if chance.random() < COMPANIES:
        body["companyName"] = f"{last} {chance.choice(TRADES)} {chance.choice(FORMS)}"
        body["taxId"] = f"{chance.randrange(10, 100)}-{chance.randrange(10**6, 10**7)}"
    return body


def invent_change(chance: Random) -> dict[str, Any]:
    """The body of a PATCH: what changes in a customer's life."""
    kind = chance.randrange(4)
    if kind == 0:
        return {"metadata": {"tier": chance.choice(TIERS)}}
    if kind == 1:
        return {"description": chance.choice(NOTES)}
    if kind == 2:
        return {"address": {"line1": f"{chance.randrange(1, 200)} {chance.choice(STREETS)}", "line2": None}}
    return {"phone": f"+1415555{chance.randrange(100, 200):04d}"}


def plain(name: str) -> str:
    """A name in the letters that every mail program takes; others are left out."""
    return "".join(letter for letter in name.lower() if "a" <= letter <= "z")
