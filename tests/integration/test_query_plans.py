"""The plans of the hot statements."""

from __future__ import annotations
