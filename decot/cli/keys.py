"""The commands about signing keys: which there are, a new one, one that no longer counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from decot.cli.common import HOME, AsJson, Home, guarded, show

keys_app = typer.Typer(help="The keys that sign certificates.", no_args_is_help=True)


@keys_app.command("list", epilog="Example:  decot keys list --json")
def keys_list(home: Home = HOME, as_json: AsJson = False) -> None:
    """Every key of this home: its id, age, whether it signs, and what was revoked."""
    found = guarded(lambda listener: _known(home), quiet=True)
    lines = [
        f"{row['id']}  {'signs  ' if row['current'] else 'rotated'}  made {row['made'][:10]}, until {row['expires'][:10]}, "
        f"signed {row['certificates']}{'  REVOKED: ' + row['revoked'] if row['revoked'] else ''}"
        for row in found
    ]
    show(json.dumps(found) if as_json else "\n".join(lines) or "no key yet; the first certificate makes one")


@keys_app.command("rotate", epilog="Example:  decot keys rotate")
def keys_rotate(home: Home = HOME, as_json: AsJson = False) -> None:
    """A new key in place of the old one. What the old one signed is refused from now on: judge those agents again."""
    plain = guarded(lambda listener: _rotated(home), quiet=True)
    show(
        json.dumps(plain)
        if as_json
        else f"key {plain['new']} signs from now on; {plain['old']} is kept beside it and trusted by nobody\n"
        f"{plain['certificates']} certificate(s) it signed are refused now; decot gate RUN judges an agent again"
    )


@keys_app.command("revoke", epilog="Example:  decot keys revoke 1f3a9c0b12345678 --why 'laptop lost'")
def keys_revoke(
    name: Annotated[str, typer.Argument(help="id of a key, serial of a certificate, or digest of an agent")],
    why: Annotated[str, typer.Option(help="the reason; whoever is refused reads it")],
    home: Home = HOME,
    as_json: AsJson = False,
) -> None:
    """What a key signed, or one certificate, no longer counts. There is no way back but to judge again."""
    plain = guarded(lambda listener: _revoked(home, name, why), quiet=True)
    show(json.dumps(plain) if as_json else f"revoked {plain['what']} {plain['name']}: {plain['why']}")


def _known(home: Path) -> list[dict[str, Any]]:
    from decot.gate.keys import key_path, keys
    from decot.gate.registry import Registry
    from decot.gate.signed import revoked

    registry = Registry(home / "registry")
    signed, gone = registry.signers(), revoked(registry.revocations)
    return [
        {
            "id": key.id,
            "current": key.is_current,
            "made": key.made.isoformat(),
            "expires": key.expires.isoformat(),
            "certificates": sum(one["key_id"] == key.id for one in signed.values()),
            "revoked": gone.get(key.id, ""),
        }
        for key in keys(key_path(home))
    ]


def _rotated(home: Path) -> dict[str, Any]:
    from decot.gate.keys import key_of, key_path, rotate_key
    from decot.gate.registry import Registry

    old = rotate_key(key_path(home))
    signed = Registry(home / "registry").signers()
    return {
        "old": old,
        "new": key_of(key_path(home)).id,
        "certificates": sum(one["key_id"] == old for one in signed.values()),
    }


def _revoked(home: Path, name: str, why: str) -> dict[str, Any]:
    from decot.errors import RegistryRefused
    from decot.gate.keys import key_path, keys
    from decot.gate.registry import Registry
    from decot.gate.signed import revoke

    registry = Registry(home / "registry")
    signed = registry.signers()
    known = {key.id: "key" for key in keys(key_path(home))}
    known |= {one["key_id"]: "key" for one in signed.values()} | dict.fromkeys(signed, "certificate")
    fits = [one for one in known if one.startswith(name)]
    fits = fits or [serial for serial, one in signed.items() if one["agent"].startswith(name)]
    if not why.strip():
        raise RegistryRefused("a revocation needs a reason: --why '…'")
    if not fits or (len(fits) > 1 and known[fits[0]] == "key"):
        raise RegistryRefused(
            f"{len(fits)} keys, certificates or agents begin with {name!r}; decot keys list"
        )
    for one in fits:
        revoke(registry.revocations, one, why)
    return {"what": known[fits[0]], "name": ", ".join(one[:16] for one in fits), "why": why}
