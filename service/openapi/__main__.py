"""`python -m service.openapi [--open-codes]`: print the document, without a server or a database."""

from __future__ import annotations

import sys

import orjson

from service.openapi.document import document
from service.routes import OPEN_ROUTES, OPERATIONS


def main() -> None:
    """Print it, as people read JSON."""
    made = document(OPERATIONS, OPEN_ROUTES, open_codes="--open-codes" in sys.argv[1:])
    sys.stdout.buffer.write(orjson.dumps(made, option=orjson.OPT_INDENT_2))
    sys.stdout.buffer.write(b"\n")


if __name__ == "__main__":
    main()
