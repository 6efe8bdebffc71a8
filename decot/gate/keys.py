"""The signing key: made at first use, for its owner only, for a year; rotated, expired, revoked. Knows files and ages.

line 1  base64 of the Ed25519 private key
line 2  made 2026-01-07T12:00:00+00:00     (a key without this line is as old as its file)
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from decot import clock
from decot.errors import CertificateRefused
from decot.gate.signed import key_id

KEY_DAYS = 365.0
"""a key signs, and what it signed counts, for this long"""
_MADE = "made "


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key file."""

    id: str
    path: Path
    made: datetime
    is_current: bool
    """it signs; the others were rotated out and are trusted by nobody"""

    @property
    def expires(self) -> datetime:
        return self.made + timedelta(days=KEY_DAYS)


def key_path(home: Path) -> Path:
    """Where a home's signing key lies: `DECOT_SIGNING_KEY`, else `keys/signing.pem` in the home."""
    chosen = os.environ.get("DECOT_SIGNING_KEY", "")
    return Path(chosen) if chosen else home / "keys" / "signing.pem"


def open_key(path: Path, *, now: datetime | None = None) -> Ed25519PrivateKey:
    """The signing key at `path`; made at first use, readable by its owner only.

    Raises:
        CertificateRefused: others can read it, or it is not a key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        raw = Ed25519PrivateKey.generate().private_bytes_raw()
        made = (now or clock.now()).isoformat()
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # somebody else made it in the meantime: theirs counts
            return open_key(path)
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64encode(raw) + f"\n{_MADE}{made}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    return _read(path)[0]


def key_of(path: Path) -> Key:
    """What is known of the key at `path`; made at first use."""
    open_key(path)
    return _key(path, is_current=True)


def keys(path: Path) -> list[Key]:
    """The current key and those rotated out of its place, newest first."""
    current = [_key(path, is_current=True)] if path.exists() else []
    old = [_key(one, is_current=False) for one in path.parent.glob(f"{path.name}.*")]
    return current + sorted(old, key=lambda key: key.made, reverse=True)


def signing_key(path: Path, now: datetime) -> tuple[Ed25519PrivateKey, datetime]:
    """The key and when it expires.

    Raises:
        CertificateRefused: it has expired; what it would sign is refused already.
    """
    known = key_of(path)
    if now >= known.expires:
        raise CertificateRefused(
            f"{path.name}: key {known.id} expired {known.expires.isoformat()}; decot keys rotate"
        )
    return open_key(path), known.expires


def rotate_key(path: Path, *, now: datetime | None = None) -> str:
    """Replace the key by a new one; the old one is kept beside it as `NAME.OLDID`, for its owner only.

    Returns:
        id of the old key. Certificates it signed are refused from now on unless it stays in `trusted`.
    """
    old = key_id(open_key(path, now=now).public_key())
    path.rename(path.with_name(f"{path.name}.{old}"))
    open_key(path, now=now)
    return old


def _key(path: Path, *, is_current: bool) -> Key:
    private, made = _read(path)
    return Key(id=key_id(private.public_key()), path=path, made=made, is_current=is_current)


def _read(path: Path) -> tuple[Ed25519PrivateKey, datetime]:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise CertificateRefused(
            f"{path.name}: mode {mode:04o} lets others read the signing key; chmod 600 it"
        )
    first, _, rest = path.read_bytes().strip().partition(b"\n")
    try:
        private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(first.strip(), validate=True))
        told = rest.decode().strip()
        if told.startswith(_MADE):
            return private, datetime.fromisoformat(told.removeprefix(_MADE))
    except (ValueError, binascii.Error) as error:
        raise CertificateRefused(f"{path.name}: not a signing key ({error}); rotate it") from error
    return private, datetime.fromtimestamp(path.stat().st_mtime, UTC)
