"""The service against its own description: schemathesis asks what may be asked, and what may not.

Schemathesis reads /openapi.json and knows nothing else, but for what schemathesis.toml says. Two merchants
ask, and neither may see what the other has made.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import orjson
import pytest

from tests.support.api import running_api
from tests.support.databases import TestDatabase

ROOT = Path(__file__).resolve().parents[2]
SCOPES = frozenset(["read", "write", "audit", "erase"])
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def write_keys(place: Path, **keys: str) -> None:
    """The callers and their keys, as Web Fuzzing Commons has them."""
    entries = [
        {"name": name, "fixedHeaders": [{"name": "X-API-Key", "value": key}]} for name, key in keys.items()
    ]
    place.write_bytes(orjson.dumps({"auth": entries}))


async def ask(database: TestDatabase, keys: Path, *options: str) -> None:
    """Run schemathesis against an API on this database; its report is what a failure says."""
    async with running_api(database) as api:
        other = await api.of_new_merchant()
        one, another = [await merchant.client_with(SCOPES) for merchant in (api, other)]
        write_keys(keys, one=one.key, another=another.key)
        asked = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(CONFIGURATION)),
            *("run", f"{api.url}/openapi.json", *options),
            cwd=ROOT,
            env=os.environ | {"SCHEMATHESIS_KEYS": str(keys), "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        report, _ = await asked.communicate()
        said = report.decode()
        assert asked.returncode == 0, said
        for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
            assert f"✅ {phase}" in said, said


async def test_what_is_documented_is_what_happens(database: TestDatabase, tmp_path: Path) -> None:
    await ask(database, tmp_path / "keys.json", "--max-examples", "10", "--generation-deterministic")


@pytest.mark.long
async def test_what_is_documented_is_what_happens_however_long_one_asks(
    database: TestDatabase, tmp_path: Path
) -> None:
    await ask(database, tmp_path / "keys.json", "--max-examples", "150", "--generation-database", "none")
