"""`python -m projections.billing_schemas`: write the schemas of what arrives into `schemas/`."""

from __future__ import annotations

import sys
from pathlib import Path

from events.wire.json_schemas import schema_of
from events.wire.schema_files import write_schemas
from projections.billing_models import (
    ENVELOPES,
    BinaryChargeHeaders,
    BinaryHeaders,
    BinaryInvoiceHeaders,
    ChargeAlone,
    InvoiceAlone,
    OtherEnvelope,
    PlainHeaders,
    StructuredCharge,
    StructuredEnvelope,
    StructuredInvoice,
)

FOLDER = Path(__file__).parent / "schemas"
MODELS = {
    **ENVELOPES,
    "other": OtherEnvelope,
    "charge": ChargeAlone,
    "invoice": InvoiceAlone,
    "headers.plain": PlainHeaders,
    "headers.binary": BinaryHeaders,
    "headers.binary-charge": BinaryChargeHeaders,
    "headers.binary-invoice": BinaryInvoiceHeaders,
    "structured": StructuredEnvelope,
    "structured-charge": StructuredCharge,
    "structured-invoice": StructuredInvoice,
}
"""By the names of their files."""


def main() -> None:
    """Write them, and say which changed."""
    for path in write_schemas(FOLDER, {name: schema_of(model) for name, model in MODELS.items()}):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
