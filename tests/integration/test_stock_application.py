"""A stock application of the eventsourcing library replays our customers."""

from __future__ import annotations
