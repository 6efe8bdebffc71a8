"""The certificate: what was judged, in hashes, signed. Knows bytes and a key; knows no trading and no exception to itself.

A signed note (`signed.py`) about a folder. `verify` re-hashes the artefact, so an edited certificate, a flipped byte of the
model, another key, an expired or revoked one are all refused, each with its reason. Nothing here can be told to look away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from decot.errors import CertificateRefused
from decot.gate.keys import open_key, rotate_key
from decot.gate.signed import canonical, digest_of, key_id, revoke, seal, unseal

__all__ = [
    "Certificate",
    "canonical",
    "digest_folder",
    "digest_of",
    "issue",
    "key_id",
    "open_key",
    "revoke",
    "rotate_key",
    "verify",
]

FORMAT = "decot-certificate/1"
STAGES = ("paper", "live")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate that has been verified; only `verify` and `issue` make one."""

    serial: str
    """sha256 of the signed bytes"""
    stage: str
    """what it admits to: paper, or live"""
    model: str
    """digest of the artefact folder"""
    issued: str
    expires: str
    key_id: str
    body: Mapping[str, Any]
    """everything that was signed: data, code, config, figures, verdict"""


def digest_folder(folder: Path) -> str:
    """sha256 over the relative names and bytes of every file, in the order of the names."""
    found = sorted(folder.rglob("*"))
    if links := [path.name for path in found if path.is_symlink()]:
        raise CertificateRefused(
            f"{folder.name}: {links[0]} is a link; what it points to can change unseen, copy it"
        )
    files = [path for path in found if path.is_file()]
    if not files:
        raise CertificateRefused(f"{folder.name}: no files to certify; give the folder of a saved agent")
    total = hashlib.sha256()
    for path in files:
        total.update(canonical([path.relative_to(folder).as_posix(), path.stat().st_size]))
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def issue(
    path: Path,
    *,
    artefact: Path,
    verdict: Mapping[str, Any],
    data: Sequence[Mapping[str, Any]],
    code: str,
    config: Any,
    ledger_head: str,
    key: Ed25519PrivateKey,
    now: datetime,
    days_valid: float = 30.0,
    stage: str = "paper",
    paper: Mapping[str, Any] | None = None,
    approved_by: str = "",
    key_expires: datetime | None = None,
) -> Certificate:
    """Sign what was judged and write it to `path`, atomically.

    Args:
        artefact: folder of the saved agent; its every byte is certified.
        verdict: `Verdict.as_json()`; only `promoted` is signed.
        data: the tables it was made from, each with name, version and digest.
        config: anything JSON; its digest and itself are signed.
        stage: `paper`, or `live` with the figures of a certified paper session and the name of who approved.
    Raises:
        CertificateRefused: the verdict is not `promoted`, or live lacks its paper session or approval.
    """
    if verdict.get("verdict") != "promoted":
        raise CertificateRefused(f"verdict is {verdict.get('verdict')!r}; only a promoted agent is certified")
    broken = [rule["name"] for rule in verdict["rules"] if not rule["passed"]]
    if broken or not verdict["rules"]:
        raise CertificateRefused(
            f"the verdict says promoted but these rules fail: {', '.join(broken) or 'none held'}"
        )
    if stage not in STAGES:
        raise CertificateRefused(f"stage {stage!r} is none of {', '.join(STAGES)}")
    if stage == "live" and not (paper and paper.get("certificate") and approved_by.strip()):
        raise CertificateRefused(
            "live needs the figures of a certified paper session and a person's approval"
        )
    content: dict[str, Any] = {
        "stage": stage,
        "model": digest_folder(artefact),
        "data": [dict(item) for item in data],
        "code": code,
        "config": config,
        "config_digest": digest_of(config),
        "figures_digest": digest_of(verdict["rules"]),
        "verdict": dict(verdict),
        "ledger_head": ledger_head,
        "paper": dict(paper) if paper else None,
        "approved_by": approved_by,
        "expires": (now + timedelta(days=days_valid)).isoformat(),
    }
    return _certificate(seal(path, FORMAT, content, key=key, now=now, key_expires=key_expires))


def verify(
    path: Path,
    artefact: Path,
    *,
    trusted: Sequence[Ed25519PublicKey],
    now: datetime,
    stage: str = "paper",
    revocations: Path | None = None,
    data: Sequence[Mapping[str, Any]] | None = None,
    code: str | None = None,
) -> Certificate:
    """The certificate, if every single thing about it holds.

    Args:
        trusted: public keys that may have signed; usually `[open_key(path).public_key()]`.
        stage: what the holder wants to do; a paper certificate does not admit to live, a live one admits to both.
        data, code: what is here now, if it must equal what was certified.
    Raises:
        CertificateRefused: absent, unreadable, edited, another key, revoked, expired, its key expired, another model, other
            data or code.
    """
    body = unseal(
        path,
        FORMAT,
        trusted=trusted,
        now=now,
        revocations=revocations,
        absent="there is no certificate; an agent gets one from the gate only",
    )
    certificate = _certificate(body)
    if now >= datetime.fromisoformat(certificate.expires):
        raise CertificateRefused(f"{path.name}: expired {certificate.expires}; judge the agent again")
    if stage not in STAGES or STAGES.index(certificate.stage) < STAGES.index(stage):
        raise CertificateRefused(f"{path.name}: admits to {certificate.stage}, not to {stage}")
    found = digest_folder(artefact) if artefact.is_dir() else "nothing"
    if found != certificate.model:
        raise CertificateRefused(
            f"{path.name}: certifies model {certificate.model[:12]}, the artefact is {found[:12]}; its bytes were changed"
        )
    _same(path, "code", body["code"], code)
    _same(path, "data", body["data"], None if data is None else [dict(item) for item in data])
    return certificate


def _same(path: Path, what: str, certified: Any, found: Any) -> None:
    if found is not None and canonical(found) != canonical(certified):
        raise CertificateRefused(
            f"{path.name}: {what} was {certified}, is {found}; judge the agent on what is here"
        )


def _certificate(body: Mapping[str, Any]) -> Certificate:
    return Certificate(
        serial=digest_of(body),
        stage=body["stage"],
        model=body["model"],
        issued=body["issued"],
        expires=body["expires"],
        key_id=body["key_id"],
        body=body,
    )
