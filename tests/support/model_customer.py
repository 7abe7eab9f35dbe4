"""A customer of the model: its versions, what is shown of each, and what a merge patch makes of one.

In: members as clients send them. Out: members as they are kept, and the JSON that is answered. `MAILBOXES`
lists the emails there are, and says who owns which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

JsonObject = dict[str, Any]

MEMBERS = ("email", "name", "phone", "address", "companyName", "taxId", "description", "metadata")
LINES = ("line1", "line2", "city", "state", "postalCode", "country")
READ_ONLY = ("id", "object", "created", "updated", "invoiceCount", "chargeCount", "totalSpent")

MAILBOXES = {
    "anna": ("anna@example.com", "ANNA@Example.COM", " anna@example.com ", "\uff41nn\uff41@example.com"),
    "jörg": ("jörg.straße@example.com", "JO\u0308RG.STRASSE@example.com", "jörg.strasse@EXAMPLE.com"),
    "σίσυφος": ("σίσυφος@example.com", "ΣΊΣΥΦΟΣ@example.com"),
    "bücher": ("a@bücher.example.com", "A@XN--BCHER-KVA.example.com", "a@bu\u0308cher.Example.com"),
    "o'hara": ("o'hara+x@example.com", "O'Hara+X@example.com"),
    "kim": ("kim@example.com", "KIM@example.com"),
    "lee": ("lee@example.com", "Lee@example.com"),
    "max": ("max@example.com", "max@EXAMPLE.com"),
}
"""People, and the ways to spell the address of each."""

_MAILBOX = {spelling.strip(): who for who, spellings in MAILBOXES.items() for spelling in spellings}


class Version(NamedTuple):
    """A customer after one of its events: the members that are set, None when it was deleted; a time (s)."""

    values: JsonObject | None
    updated: int


@dataclass
class Customer:
    """All versions of a customer, the first one first."""

    id: str
    versions: list[Version]
    erased_in: int | None = None
    """The version in which the person was erased."""

    @property
    def values(self) -> JsonObject | None:
        """What is set now; None once it is deleted."""
        return self.versions[-1].values

    @property
    def created(self) -> int:
        """When it began."""
        return self.versions[0].updated

    def body(self, version: int = 0) -> JsonObject:
        """The customer as answered, as of a version or as it is now."""
        values, updated = self.versions[version - 1]
        if values is None:
            return {"id": self.id, "object": "customer", "deleted": True}
        shown = {member: values.get(member) for member in MEMBERS}
        if shown["address"]:
            shown["address"] = {line: shown["address"].get(line) for line in LINES}
        shown["metadata"] = shown["metadata"] or None
        shown["address"] = shown["address"] or None
        return {
            "id": self.id,
            "object": "customer",
            **shown,
            "created": self.created,
            "updated": updated,
        }


def mailbox(email: str) -> str:
    """Whose address this is."""
    return _MAILBOX[email.strip()]


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396 §2, as it stands there."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def normal(values: JsonObject) -> JsonObject:
    """The values as they are kept: the email trimmed, the country in capitals, nothing that is empty."""
    values = values | {"email": values["email"].strip()}
    if "country" in values.get("address", {}):
        values["address"] = values["address"] | {"country": values["address"]["country"].upper()}
    return {member: value for member, value in values.items() if value}
