"""`customers keys`: what callers authenticate with."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated

import typer

from events.database import Database
from events.key_checks import check_master_keys
from service.api_keys import ApiKey, create_key, limit_key, list_keys, revoke_key
from service.cli import rotate_master
from service.cli.options import AsJson, DataDir, MerchantId
from service.cli.running import run
from service.cli.tables import moment, show
from service.databases import find_database
from service.errors import StartupError
from service.http.rate_limit import DEFAULT_RATE, HIGHEST_RATE
from service.master_key import load_master_keys
from service.settings import Settings, load_settings

app = typer.Typer(help="Create, list, limit and revoke API keys; renew the master key.", no_args_is_help=True)

COLUMNS = ("id", "merchant", "name", "scopes", "from", "limit", "created", "revoked")

KeyId = Annotated[
    str, typer.Argument(metavar="KEY_ID", help="The key's id, as `list` shows it.", show_default=False)
]


class Scope(StrEnum):
    """What a key may do; the values of `api_keys.SCOPES`."""

    READ = "read"
    WRITE = "write"
    AUDIT = "audit"
    ERASE = "erase"


def network(text: str) -> str:
    """An address or CIDR in its normal form; typer reports the ValueError as wrong usage."""
    return str(ip_network(text, strict=False))


app.add_typer(rotate_master.app, name="rotate-master")


@app.command("create")
def create(
    merchant_id: Annotated[
        str, typer.Argument(metavar="MER_ID", help="Whose key it is.", show_default=False)
    ],
    data_dir: DataDir = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "key",
    scope: Annotated[list[Scope] | None, typer.Option(help="May be repeated (default: read, write).")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(parser=network, metavar="CIDR", help="Where it may be used from; may be repeated."),
    ] = None,
    rate_limit: Annotated[
        int, typer.Option(min=0, max=HIGHEST_RATE, help="Requests a second at each process; 0: no limit.")
    ] = DEFAULT_RATE,
) -> None:
    """Create a key and print its text, which is shown this once and stored nowhere (its id: stderr)."""
    scopes = frozenset(map(str, scope or (Scope.READ, Scope.WRITE)))
    made = run(_create(load_settings(data_dir=data_dir), merchant_id, name, scopes, allow or [], rate_limit))
    if made is None:
        raise StartupError(f"there is no merchant {merchant_id}")
    typer.echo(f"{made[0].id}; its text, shown this once:", err=True)
    typer.echo(made[1])


@app.command("list")
def list_(
    data_dir: DataDir = None,
    merchant_id: MerchantId = None,
    as_json: AsJson = False,
) -> None:
    """List keys, revoked ones too; never their texts."""
    keys = run(_list(load_settings(data_dir=data_dir), merchant_id))
    show([row(key) for key in keys], COLUMNS, as_json=as_json)


@app.command("limit")
def limit(
    key_id: KeyId,
    rate_limit: Annotated[
        int,
        typer.Argument(
            metavar="RATE", min=0, max=HIGHEST_RATE, help="Requests a second at each process; 0: no limit."
        ),
    ],
    data_dir: DataDir = None,
) -> None:
    """Change a key's rate limit; every process knows within 30 seconds."""
    if not run(_limit(load_settings(data_dir=data_dir), key_id, rate_limit)):
        raise StartupError(f"there is no key {key_id} in force")
    typer.echo(f"{key_id}: {rate_limit} requests a second" if rate_limit else f"{key_id}: no limit")


@app.command("revoke")
def revoke(key_id: KeyId, data_dir: DataDir = None) -> None:
    """Refuse a key from now on; every process knows within 30 seconds."""
    if not run(_revoke(load_settings(data_dir=data_dir), key_id)):
        raise StartupError(f"there is no key {key_id} in force")
    typer.echo(f"{key_id} is revoked")


def row(key: ApiKey) -> dict[str, object]:
    """A key as `list` shows it."""
    return {
        "id": key.id,
        "merchant": key.merchant_id,
        "name": key.name,
        "scopes": list(key.scopes),
        "from": list(key.allowed_cidrs),
        "limit": key.rate_limit,
        "created": moment(key.created_at),
        "revoked": moment(key.revoked_at),
    }


async def _create(
    settings: Settings,
    merchant_id: str,
    name: str,
    scopes: frozenset[str],
    allowed_cidrs: list[str],
    rate_limit: int,
) -> tuple[ApiKey, str] | None:
    master_keys = load_master_keys(settings)
    async with Database.connect(find_database(settings).administrator) as db:
        await check_master_keys(db, master_keys)
        return await create_key(
            db,
            master_keys,
            merchant_id=merchant_id,
            name=name,
            scopes=scopes,
            allowed_cidrs=allowed_cidrs,
            rate_limit=rate_limit,
        )


async def _list(settings: Settings, merchant_id: str | None) -> list[ApiKey]:
    async with Database.connect(find_database(settings).administrator) as db:
        return await list_keys(db, merchant_id)


async def _limit(settings: Settings, key_id: str, rate_limit: int) -> bool:
    async with Database.connect(find_database(settings).administrator) as db:
        return await limit_key(db, key_id, rate_limit)


async def _revoke(settings: Settings, key_id: str) -> bool:
    async with Database.connect(find_database(settings).administrator) as db:
        return await revoke_key(db, key_id)
