"""The auditor's script as a module, and a history to give it.

In: a store with a customer. Out: `prove`, its exported proof as somebody reads it from a file.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import orjson

from events.proof.history_proof import prove_history
from tests.support.store import M1, Store

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "audit" / "verify_history.py"


def load_script() -> Any:
    """`deploy/audit/verify_history.py`, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("verify_history", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def prove(store: Store, customer: str, merchant: str = M1) -> Any:
    """A customer's exported proof."""
    proof = await prove_history(store.database, merchant, customer, store.master_keys)
    assert proof is not None
    return orjson.loads(orjson.dumps(proof.members))
