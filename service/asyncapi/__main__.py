"""`python -m service.asyncapi`: print the document, without a server or a database."""

from __future__ import annotations

import sys

import orjson

from service.asyncapi.document import document


def main() -> None:
    """Print it, as people read JSON."""
    sys.stdout.buffer.write(orjson.dumps(document(), option=orjson.OPT_INDENT_2))
    sys.stdout.buffer.write(b"\n")


if __name__ == "__main__":
    main()
