"""`python -m events.wire.wire_schemas`: write the schemas of customer events and checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path

from events.wire.checkpoint_models import Checkpoint
from events.wire.json_schemas import schema_of
from events.wire.schema_files import write_schemas
from events.wire.wire_models import EVENTS, Headers

FOLDER = Path(__file__).parent / "schemas"
MODELS = {**EVENTS, "headers": Headers, "checkpoint": Checkpoint}
"""By the names of their files."""


def main() -> None:
    """Write them, and say which changed."""
    for path in write_schemas(FOLDER, {name: schema_of(model) for name, model in MODELS.items()}):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
