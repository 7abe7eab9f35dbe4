"""No personal value is readable in the store."""

from __future__ import annotations
