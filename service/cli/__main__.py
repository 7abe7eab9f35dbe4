"""`python -m service.cli`: the `customers` command without its script."""

from __future__ import annotations

from service.cli import main

main()
