"""The certificate: what was judged, in hashes, signed. Knows bytes and a key; knows no trading and no exception to itself.

Canonical JSON signed with Ed25519. `verify` re-hashes the artefact, so an edited certificate, a flipped byte of the model,
another key, an expired or revoked one are all refused, each with its reason. Nothing here can be told to look away.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from decot.errors import CertificateRefused

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


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no spaces, UTF-8; a NaN is refused, so that one value has one text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(value: Any) -> str:
    """sha256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical(value)).hexdigest()


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


# -- keys --


def open_key(path: Path) -> Ed25519PrivateKey:
    """The signing key at `path`; made at first use, readable by its owner only.

    Raises:
        CertificateRefused: others can read it, or it is not a key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        raw = Ed25519PrivateKey.generate().private_bytes_raw()
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # somebody else made it in the meantime: theirs counts
            return open_key(path)
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64encode(raw) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise CertificateRefused(
            f"{path.name}: mode {mode:04o} lets others read the signing key; chmod 600 it"
        )
    try:
        return Ed25519PrivateKey.from_private_bytes(
            base64.b64decode(path.read_bytes().strip(), validate=True)
        )
    except (ValueError, binascii.Error) as error:
        raise CertificateRefused(f"{path.name}: not a signing key ({error}); rotate it") from error


def key_id(public: Ed25519PublicKey) -> str:
    """The first 16 hex digits of sha256 of the public key."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def rotate_key(path: Path) -> str:
    """Replace the key by a new one; the old one is kept beside it as `NAME.OLDID`, for its owner only.

    Returns:
        id of the old key. Certificates it signed are refused from now on unless it stays in `trusted`.
    """
    old = key_id(open_key(path).public_key())
    path.rename(path.with_name(f"{path.name}.{old}"))
    open_key(path)
    return old


def revoke(path: Path, name: str, why: str) -> None:
    """Add a certificate's serial or a key's id to the revocation list (JSON), atomically."""
    listed = _revoked(path)
    listed[name] = why
    _write(path, json.dumps(listed, indent=1, sort_keys=True).encode() + b"\n")


def _revoked(path: Path | None) -> dict[str, str]:
    if path is None or not path.exists():
        return {}
    try:
        listed = json.loads(path.read_text())
    except ValueError as error:
        raise CertificateRefused(f"{path.name}: the revocation list cannot be read ({error})") from error
    if not isinstance(listed, dict):
        raise CertificateRefused(f"{path.name}: the revocation list is not a list of names and reasons")
    return {str(name): str(why) for name, why in listed.items()}


# -- issue and verify --


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
    public = key.public_key()
    body: dict[str, Any] = {
        "format": FORMAT,
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
        "issued": now.isoformat(),
        "expires": (now + timedelta(days=days_valid)).isoformat(),
        "key_id": key_id(public),
        "public_key": base64.b64encode(public.public_bytes_raw()).decode(),
    }
    signature = base64.b64encode(key.sign(canonical(body))).decode()
    _write(
        path, json.dumps({"body": body, "signature": signature}, indent=1, sort_keys=True).encode() + b"\n"
    )
    return _certificate(body)


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
        CertificateRefused: absent, unreadable, edited, another key, revoked, expired, another model, other data or code.
    """
    body, signature = _read(path)
    allowed = {key_id(key): key for key in trusted}
    signer = allowed.get(str(body.get("key_id")))
    if signer is None:
        raise CertificateRefused(
            f"{path.name}: signed with key {body.get('key_id')}, trusted are {', '.join(allowed) or 'none'}; judge it again"
        )
    try:
        signer.verify(signature, canonical(body))
    except InvalidSignature as error:
        raise CertificateRefused(f"{path.name}: edited after it was signed; judge the agent again") from error
    certificate = _certificate(body)
    listed = _revoked(revocations)
    for name, told in ((certificate.serial, "certificate"), (certificate.key_id, "key")):
        if name in listed:
            raise CertificateRefused(f"{path.name}: {told} {name[:16]} was revoked: {listed[name]}")
    if now < datetime.fromisoformat(certificate.issued):
        raise CertificateRefused(
            f"{path.name}: issued {certificate.issued}, which is in the future; check the clock"
        )
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
        serial=hashlib.sha256(canonical(body)).hexdigest(),
        stage=body["stage"],
        model=body["model"],
        issued=body["issued"],
        expires=body["expires"],
        key_id=body["key_id"],
        body=body,
    )


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    if not path.is_file():
        raise CertificateRefused(
            f"{path.name}: there is no certificate; an agent gets one from the gate only"
        )
    try:
        whole = json.loads(path.read_text())
        body, signature = whole["body"], base64.b64decode(whole["signature"], validate=True)
    except (ValueError, KeyError, TypeError) as error:
        raise CertificateRefused(f"{path.name}: not a certificate ({error})") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise CertificateRefused(f"{path.name}: not a certificate of format {FORMAT}")
    return body, signature


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: written beside, flushed, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
