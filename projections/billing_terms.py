"""The words of charge and invoice messages, and bounds of what is read: shared by reader and models."""

from __future__ import annotations

CHARGE_STATUSES = ("PENDING", "PARTIAL", "RECEIVED", "COMPLETED", "UNDERPAID", "EXPIRED", "CANCELLED")
CHARGE_EVENTS = tuple(f"charge.{status.lower()}" for status in CHARGE_STATUSES)
INVOICE_WORDS = ("created", "finalized", "paid", "voided", "deleted")
INVOICE_EVENTS = tuple(f"invoice.{word}" for word in INVOICE_WORDS)

TEXT_LENGTH = 256
"""Code points of any text that is read; those of a key fit into an entry of an index."""
AMOUNT = r"[0-9]{1,30}(?:\.[0-9]{1,18})?"
MAX_DEPTH = 32
"""Of a body."""

SPECVERSION = "1.0"
STRUCTURED = "application/cloudevents+json"
"""The media type of a CloudEvent in structured mode, the only one of its formats that is read."""
