"""Every named statement is used by code."""

from __future__ import annotations
