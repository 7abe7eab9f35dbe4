"""Make the secrets that compose.yaml mounts, where they are missing: `python deploy/make_secrets.py`.

In: nothing. Out: files in `deploy/secrets/`, never overwritten: a lost master key cannot be made again. The
directory is for its owner alone; the files in it are readable, since containers read them as other users.
"""

from __future__ import annotations

import sys
from pathlib import Path
from secrets import token_bytes, token_urlsafe

from events.master_keys import MasterKeys
from events.stream.nkeys import make_seed, public_key

SECRETS = Path(__file__).parent / "secrets"
SERVER = "postgres:5432/customers"
PASSWORD_BYTES = 24
SEED_BYTES = 32
USERS = ("relay", "workers", "streams", "charges", "invoices")
"""Who NATS knows: us, and the services that publish charges and invoices."""


def make_secrets(directory: Path) -> list[str]:
    """Make what is missing; names what was made."""
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)
    made: list[str] = []

    def secret(name: str, text: str) -> str:
        path = directory / name
        if not path.exists():
            path.write_text(text)
            path.chmod(0o444)
            made.append(name)
        return path.read_text()

    owner = secret("postgres_password", token_urlsafe(PASSWORD_BYTES))
    application = secret("application_password", token_urlsafe(PASSWORD_BYTES))
    secret("customers_admin_database_url", f"postgresql://customers_owner:{owner}@{SERVER}")
    secret("customers_database_url", f"postgresql://customers_api:{application}@{SERVER}")
    secret("customers_master_key", MasterKeys.generate_text())
    seeds = {user: secret(f"nats_{user}_seed", make_seed(token_bytes(SEED_BYTES))) for user in USERS}
    keys = "".join(f"NATS_{user.upper()}={public_key(seed)}\n" for user, seed in seeds.items())
    if not (environment := directory / "nats.env").exists() or environment.read_text() != keys:
        environment.write_text(keys)  # public, and always those of the seeds
        made.append(environment.name)
    return made


def main() -> None:
    """Make them beside this file and say what was made."""
    made = make_secrets(SECRETS)
    print(f"made {', '.join(made)} in {SECRETS}" if made else f"nothing is missing in {SECRETS}")
    print("Keep customers_master_key: without it no customer can be read.", file=sys.stderr)


if __name__ == "__main__":
    main()
