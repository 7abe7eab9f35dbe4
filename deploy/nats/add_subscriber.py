"""Let somebody read one merchant's customer events: `python deploy/nats/add_subscriber.py NAME MER_ID`.

In: a name, which is also that of the subscriber's durable consumer; a merchant; the public nkey of the
subscriber, or none: then a seed is made for them. Out: an account in `subscribers/NAME.conf`, a line that
includes it in `subscribers.conf`, and with a new seed `../secrets/nats_NAME_seed`. The configuration holds no
secret. A second run changes nothing; what was interrupted it completes.
"""

from __future__ import annotations

import argparse
import re
import secrets
import sys
from pathlib import Path
from typing import NamedTuple

from events.ids import MERCHANT_PREFIX, is_id
from events.stream.nkeys import is_public_key, make_seed, public_key
from events.wire.message import STREAM, subject_of

NATS = Path(__file__).parent
NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
OURS = frozenset(("customers-read-model", "relay", "workers", "streams", "charges", "invoices"))
"""The consumer that fills our own read model, and NATS's users, whose seeds are files of these names."""

ACCOUNT = """\
# {name} reads the customer events of {merchant_id}, by a pull consumer of its own.
subscriber-{name} {{
  users: [{{nkey: {key}}}]
  mappings: {{"$JS.API.>": "API.>"}}
  imports: [
{operations}
    {{service: {{account: CUSTOMERS, subject: "$JS.ACK.{stream}.{name}.>"}}}}
    {{stream: {{account: RELAY, subject: "checkpoints.v1.{merchant_id}"}}}}
  ]
}}
"""
OPERATION = '    {{service: {{account: CUSTOMERS, subject: "$JS.API.{operation}"}}, to: "API.{operation}"}}'


class NotAdded(Exception):
    """Nothing was changed; the text says why."""


class Subscriber(NamedTuple):
    """Who reads what."""

    name: str
    merchant_id: str
    key: str

    def account(self) -> str:
        """The account's text."""
        name, merchant_id, key = self
        operations = [
            f"CONSUMER.CREATE.{STREAM}.{name}.{subject_of(merchant_id, '>')}",
            f"CONSUMER.INFO.{STREAM}.{name}",
            f"CONSUMER.DELETE.{STREAM}.{name}",
            f"CONSUMER.MSG.NEXT.{STREAM}.{name}",
        ]
        return ACCOUNT.format(
            name=name,
            merchant_id=merchant_id,
            key=key,
            stream=STREAM,
            operations="\n".join(OPERATION.format(operation=one) for one in operations),
        )


def refuse_malformed(name: str, merchant_id: str, key: str | None) -> None:
    """Raise NotAdded: a `.`, `*` or `>` too much would open the stream."""
    if NAME.fullmatch(name) is None:
        raise NotAdded(f"{name!r} is no name: small letters, digits and hyphens, 32 at most, a letter first")
    if name in OURS:
        raise NotAdded(f"{name} is the name of a consumer or a user of our own")
    if not is_id(MERCHANT_PREFIX, merchant_id):
        raise NotAdded(f"{merchant_id!r} is no merchant's id")
    if key is not None and not is_public_key(key):
        raise NotAdded("--key is not the public key of a user, 56 characters that begin with U")


def add_subscriber(nats: Path, kept: Path, name: str, merchant_id: str, key: str | None) -> list[str]:
    """Add one to the configuration in `nats`, a new seed to `kept`; what was done, a line each.

    Raises NotAdded: something is malformed, or somebody else has the name.
    """
    refuse_malformed(name, merchant_id, key)
    file, seed_file = nats / "subscribers" / f"{name}.conf", kept / f"nats_{name}_seed"
    done: list[str] = []
    if key is None:
        if not seed_file.exists():
            kept.mkdir(mode=0o700, exist_ok=True)
            seed_file.touch(mode=0o600)
            seed_file.write_text(make_seed(secrets.token_bytes(32)))
            done.append(f"made {seed_file}: give it to the subscriber, and to nobody else")
        key = public_key(seed_file.read_text())
    refuse_taken(nats, kept, file, key)
    account = Subscriber(name, merchant_id, key).account()
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text(account)
        done.append(f"made {file}")
    elif file.read_text() != account:
        raise NotAdded(f"{file} is there and says something else; remove it to have it made anew")
    return done + include(nats / "subscribers.conf", f'include "subscribers/{name}.conf"')


def refuse_taken(nats: Path, kept: Path, own: Path, key: str) -> None:
    """Raise NotAdded: somebody has the key already, and NATS refuses a configuration with a key twice."""
    for file in (kept / "nats.env", *(nats / "subscribers").glob("*.conf")):
        if file != own and file.exists() and key in file.read_text():
            raise NotAdded(f"the key is in {file} already: everybody has a key of their own")


def include(index: Path, line: str) -> list[str]:
    """Have the line in the file."""
    text = index.read_text()
    if line in text.splitlines():
        return []
    index.write_text(f"{text.rstrip(chr(10))}\n{line}\n")
    return [f"added a line to {index}"]


def main() -> None:
    """Add one beside this file."""
    parser = argparse.ArgumentParser(
        description="Let somebody read one merchant's customer events over NATS."
    )
    parser.add_argument("name", metavar="NAME", help="of the subscriber, and of its durable consumer")
    parser.add_argument("merchant_id", metavar="MER_ID", help="whose customers")
    parser.add_argument("--key", metavar="U…", help="the subscriber's public nkey, if they made one")
    given = parser.parse_args()
    try:
        done = add_subscriber(NATS, NATS.parent / "secrets", given.name, given.merchant_id, given.key)
    except (NotAdded, OSError, ValueError) as error:
        sys.exit(f"add_subscriber: {error}")
    print("\n".join(done) if done else f"{given.name} is there already")
    if done:
        print("Have NATS read its configuration again, and once more: docker compose kill --signal HUP nats")


if __name__ == "__main__":
    main()
