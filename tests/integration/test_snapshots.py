"""Snapshots of long histories."""

from __future__ import annotations
