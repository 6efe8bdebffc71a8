"""What going live needs beside the gate: a signed paper session and a signed word of a person. Knows names and figures.

Both are signed notes beside the certificates. An approval names the session and the card that were in front of
the person, so that it cannot be used for another agent, another session or another card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from decot.errors import CertificateRefused
from decot.gate.signed import digest_of, seal, unseal

SESSION, APPROVAL = "decot-paper-session/1", "decot-approval/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A verified note."""

    serial: str
    body: Mapping[str, Any]


def sign_session(
    path: Path,
    *,
    digest: str,
    certificate: str,
    figures: Mapping[str, Any],
    key: Ed25519PrivateKey,
    now: datetime,
    key_expires: datetime | None = None,
) -> Signed:
    """Sign the figures of a paper session that agent `digest` went through under the certificate of that serial."""
    content = {"digest": digest, "certificate": certificate, "figures": dict(figures)}
    return _signed(seal(path, SESSION, content, key=key, now=now, key_expires=key_expires))


def sign_approval(
    path: Path,
    *,
    digest: str,
    session: str,
    card: str,
    approved_by: str,
    reason: str,
    key: Ed25519PrivateKey,
    now: datetime,
    key_expires: datetime | None = None,
) -> Signed:
    """Sign that a person has seen this card and this paper session, and lets the agent trade live.

    Raises:
        CertificateRefused: no name, or no reason.
    """
    if not approved_by.strip() or not reason.strip():
        raise CertificateRefused("an approval needs the name of a person and a reason; give both")
    content = {
        "digest": digest,
        "session": session,
        "card": digest_of(card),
        "approved_by": approved_by.strip(),
        "reason": reason.strip(),
    }
    return _signed(seal(path, APPROVAL, content, key=key, now=now, key_expires=key_expires))


def read_session(
    path: Path,
    digest: str,
    *,
    trusted: Sequence[Ed25519PublicKey],
    now: datetime,
    revocations: Path | None = None,
) -> Signed:
    """The paper session of this very agent; raises CertificateRefused when there is none that holds."""
    absent = "there is no signed paper session; decot agents promote DIGEST paper"
    return _own(path, SESSION, digest, absent, trusted, now, revocations)


def read_approval(
    path: Path,
    digest: str,
    *,
    session: Signed,
    approved_by: str,
    trusted: Sequence[Ed25519PublicKey],
    now: datetime,
    revocations: Path | None = None,
) -> Signed:
    """The approval of this very agent after this very session; raises CertificateRefused when there is none that holds."""
    absent = "no person has approved this agent; decot agents promote DIGEST live"
    found = _own(path, APPROVAL, digest, absent, trusted, now, revocations)
    if found.body["session"] != session.serial:
        raise CertificateRefused(
            f"{path.name}: approves after paper session {found.body['session'][:12]}, the session is {session.serial[:12]}"
        )
    if found.body["approved_by"] != approved_by:
        raise CertificateRefused(
            f"{path.name}: approved by {found.body['approved_by']}, the certificate says {approved_by}"
        )
    return found


def _own(
    path: Path,
    form: str,
    digest: str,
    absent: str,
    trusted: Sequence[Ed25519PublicKey],
    now: datetime,
    revocations: Path | None,
) -> Signed:
    body = unseal(path, form, trusted=trusted, now=now, revocations=revocations, absent=absent)
    if body["digest"] != digest:
        raise CertificateRefused(
            f"{path.name}: is about agent {body['digest'][:12]}, not about {digest[:12]}"
        )
    return _signed(body)


def _signed(body: Mapping[str, Any]) -> Signed:
    return Signed(serial=digest_of(body), body=body)
