"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Where a local run keeps its data (default: .customers, or CUSTOMERS_DATA_DIR).",
        show_default=False,
    ),
]
Host = Annotated[
    str | None,
    typer.Option(
        help="The address to listen on (default: 127.0.0.1, or CUSTOMERS_HOST).", show_default=False
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="The port to listen on, 0 for any free one (default: 8080, or CUSTOMERS_PORT).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
CustomerId = Annotated[str, typer.Argument(metavar="CUS_ID", help="The customer.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
MerchantId = Annotated[
    str | None,
    typer.Option("--merchant", metavar="MER_ID", help="This merchant's alone.", show_default=False),
]
OwnerId = Annotated[
    str | None,
    typer.Option(
        "--merchant",
        metavar="MER_ID",
        help="Whose customer it is (needed where several merchants have one of this id).",
        show_default=False,
    ),
]
ToFile = Annotated[
    Path | None,
    typer.Option("--to", metavar="FILE", help="Write to this file (default: stdout).", show_default=False),
]
