"""The customers read model brought forward when a test says so."""

from __future__ import annotations

from events.database import Database
from events.master_keys import MasterKeys
from projections.sweep import Sweep


async def sweep(database: Database, master_keys: MasterKeys) -> int:
    """One impatient round; how many events were applied."""
    return await Sweep(database, master_keys).round()
