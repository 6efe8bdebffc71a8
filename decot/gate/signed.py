"""A signed note: canonical JSON under an Ed25519 signature, and the list of what was revoked. Knows no meaning of a note.

    {"body": {"format", …, "issued", "key_id", "public_key", "key_expires"}, "signature": base64}

`unseal` refuses an edited, foreign, revoked or future note and one whose key has expired, each with its reason. The
list of revocations lies beside the notes (`revoked.json`), so that no caller can forget to look at it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from decot.errors import CertificateRefused

REVOKED = "revoked.json"


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no spaces, UTF-8; a NaN is refused, so that one value has one text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(value: Any) -> str:
    """sha256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical(value)).hexdigest()


def key_id(public: Ed25519PublicKey) -> str:
    """The first 16 hex digits of sha256 of the public key."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def seal(
    path: Path,
    form: str,
    content: Mapping[str, Any],
    *,
    key: Ed25519PrivateKey,
    now: datetime,
    key_expires: datetime | None = None,
) -> dict[str, Any]:
    """Sign `content` and write it to `path`, atomically; gives the signed body."""
    public = key.public_key()
    body: dict[str, Any] = {
        "format": form,
        **content,
        "issued": now.isoformat(),
        "key_id": key_id(public),
        "public_key": base64.b64encode(public.public_bytes_raw()).decode(),
        "key_expires": key_expires.isoformat() if key_expires else None,
    }
    signature = base64.b64encode(key.sign(canonical(body))).decode()
    note = {"body": body, "signature": signature}
    write_whole(path, json.dumps(note, indent=1, sort_keys=True).encode() + b"\n")
    return body


def unseal(
    path: Path,
    form: str,
    *,
    trusted: Sequence[Ed25519PublicKey],
    now: datetime,
    revocations: Path | None = None,
    absent: str = "there is no such note",
) -> dict[str, Any]:
    """The signed body, if the signature holds now.

    Args:
        trusted: public keys that may have signed.
        revocations: a list besides the one that lies beside the note.
        absent: what to say when there is no file.
    Raises:
        CertificateRefused: absent, unreadable, edited, another key, revoked, its key expired, from the future.
    """
    body, signature = _read(path, form, absent)
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
    listed = {**revoked(path.with_name(REVOKED)), **revoked(revocations)}
    for name, told in ((digest_of(body), "certificate"), (body["key_id"], "key")):
        if name in listed:
            raise CertificateRefused(f"{path.name}: {told} {name[:16]} was revoked: {listed[name]}")
    if now < datetime.fromisoformat(body["issued"]):
        raise CertificateRefused(
            f"{path.name}: issued {body['issued']}, which is in the future; check the clock"
        )
    if body.get("key_expires") and now >= datetime.fromisoformat(body["key_expires"]):
        raise CertificateRefused(
            f"{path.name}: its signing key {body['key_id']} expired {body['key_expires']}; rotate it "
            "(decot keys rotate) and judge the agent again"
        )
    return body


def revoke(path: Path, name: str, why: str) -> None:
    """Add a serial or a key's id to a list of revocations (JSON), atomically."""
    write_whole(path, json.dumps({**revoked(path), name: why}, indent=1, sort_keys=True).encode() + b"\n")


def revoked(path: Path | None) -> dict[str, str]:
    """Name → reason, of everything on a list of revocations; a list that cannot be read is refused, not skipped."""
    if path is None or not path.exists():
        return {}
    try:
        listed = json.loads(path.read_text())
    except ValueError as error:
        raise CertificateRefused(f"{path.name}: the revocation list cannot be read ({error})") from error
    if not isinstance(listed, dict):
        raise CertificateRefused(f"{path.name}: the revocation list is not a list of names and reasons")
    return {str(name): str(why) for name, why in listed.items()}


def write_whole(path: Path, content: bytes) -> None:
    """All of it or nothing: written beside, flushed, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _read(path: Path, form: str, absent: str) -> tuple[dict[str, Any], bytes]:
    if not path.is_file():
        raise CertificateRefused(f"{path.name}: {absent}")
    try:
        whole = json.loads(path.read_text())
        body, signature = whole["body"], base64.b64decode(whole["signature"], validate=True)
    except (ValueError, KeyError, TypeError) as error:
        raise CertificateRefused(f"{path.name}: not a certificate ({error})") from error
    if not isinstance(body, dict) or body.get("format") != form:
        raise CertificateRefused(f"{path.name}: not a certificate of format {form}")
    return body, signature
