"""A checkpoint's JSON as a model: what `Checkpoint.members` gives, for those who read it (PROOF.md)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from events.wire import patterns

HASH = patterns.whole(patterns.HASH)
Hash = Annotated[str, Field(pattern=HASH, description="The chain's hash at that position.")]
Microseconds = Annotated[
    int, Field(ge=0, description="Time of the event at that position, in µs: as it is hashed.")
]
Epoch = Annotated[int, Field(ge=1, description="Which history of the ledger: a lossy restore begins one.")]
PublicKey = Annotated[
    str, Field(pattern="^[A-Za-z0-9+/]{43}=$", description="The Ed25519 key that signs, in base64.")
]


class Checkpoint(TypedDict):
    """What a ledger was up to a position, signed: keep it where nobody can change it."""

    merchantId: str
    position: Annotated[int, Field(ge=1)]
    hash: Hash
    merkleRoot: Annotated[str, Field(pattern=HASH, description="Over all leaves up to there (RFC 9162).")]
    recordedAt: Microseconds
    epoch: Epoch
    publicKey: PublicKey
    signature: Annotated[str, Field(pattern="^[A-Za-z0-9+/]{86}==$", description="Ed25519, in base64.")]
