"""A locked ledger keeps nobody else waiting (F15)."""

from __future__ import annotations
