"""The ledger, as an auditor asks for it: how far it goes, and what of it was signed last.

In: a request. Out: the merchant's head, its last checkpoint, and the key that signs. What they prove, kept
elsewhere, and how: `events/PROOF.md`.
"""

from __future__ import annotations

import orjson
from aiohttp import web

from events.proof.checkpointing import stored_checkpoint
from events.proof.ledger_reading import read_ends
from events.signing import write_public_key
from service.call import Call
from service.parameters import Parameters
from service.responses import json_response


async def get_ledger(call: Call, _: Parameters) -> web.Response:
    """GET /v1/ledger."""
    database, merchant_id = call.services.database, call.merchant_id
    ends = await read_ends(database, merchant_id)
    last = await stored_checkpoint(database, merchant_id, ends.epoch)
    body = {
        "object": "ledger",
        "merchantId": merchant_id,
        "epoch": ends.epoch,
        "position": ends.head.position if ends.head else 0,
        "hash": ends.head.hash.hex() if ends.head else None,
        "recordedAt": ends.head.recorded_at if ends.head else 0,
        "checkpoint": last.checkpoint.members() if last else None,
        "publicKey": write_public_key(call.services.public_key),
    }
    return json_response(orjson.dumps(body))
