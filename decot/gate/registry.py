"""Where agents live and how far they have come: candidate → certified → paper → live → retired. Knows folders and hashes.

A local folder, content-addressed: `objects/DIGEST/` holds the artefact, `records/DIGEST.json` its history, `certificates/`
what was signed about it. A stage change is one atomic write. W&B may mirror it; this is the truth.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from decot.errors import CertificateRefused, RegistryRefused
from decot.gate.approval import read_approval, read_session
from decot.gate.certificate import Certificate, digest_folder, verify
from decot.gate.signed import REVOKED, digest_of, revoked

STAGES = ("candidate", "certified", "paper", "live", "retired")
_ALLOWED = {
    "candidate": ("certified", "retired"),
    "certified": ("paper", "retired"),
    "paper": ("live", "retired"),
    "live": ("retired",),
    "retired": (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One agent in the registry."""

    digest: str
    stage: str
    folder: Path
    """the stored artefact; read it, never write it"""
    history: tuple[dict[str, Any], ...]
    """stage changes, oldest first: stage, at, why, certificate"""


class Registry:
    """The registry under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._objects, self._records = root / "objects", root / "records"
        self.certificates = root / "certificates"
        for folder in (self._objects, self._records, self.certificates):
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, artefact: Path, *, now: datetime, note: str = "") -> Entry:
        """Store a copy of an artefact folder as a candidate; the same bytes twice are the same entry."""
        digest = digest_folder(artefact)
        if (self._records / f"{digest}.json").exists():
            return self.get(digest)
        target = self._objects / digest
        if not target.exists():
            beside = Path(tempfile.mkdtemp(prefix=".new-", dir=self._objects))
            shutil.copytree(artefact, beside / "files")
            if digest_folder(beside / "files") != digest:
                shutil.rmtree(beside)
                raise RegistryRefused(
                    f"{artefact.name}: changed while it was copied; stop its writer and add it again"
                )
            (beside / "files").replace(target)
            beside.rmdir()
        self._write(digest, [_event("candidate", now, note, None)])
        return self.get(digest)

    def get(self, digest: str) -> Entry:
        """The entry of that digest (or of an unambiguous beginning of it)."""
        found = [path.stem for path in self._records.glob(f"{digest}*.json")]
        if len(found) != 1:
            raise RegistryRefused(f"{len(found)} agents begin with {digest!r}; `decot agents` shows them")
        history = json.loads((self._records / f"{found[0]}.json").read_text())
        return Entry(
            digest=found[0],
            stage=history[-1]["stage"],
            folder=self._objects / found[0],
            history=tuple(history),
        )

    def entries(self, stage: str | None = None) -> list[Entry]:
        """All entries (of one stage), oldest first."""
        found = [self.get(path.stem) for path in sorted(self._records.glob("*.json"))]
        found.sort(key=lambda entry: (entry.history[0]["at"], entry.digest))
        return [entry for entry in found if stage in (None, entry.stage)]

    def certificate_of(self, digest: str, stage: str = "paper") -> Path:
        """Where the certificate of an entry is kept."""
        return self.certificates / f"{self.get(digest).digest}.{stage}.json"

    @property
    def revocations(self) -> Path:
        """The list of revoked certificates and keys; whoever verifies a note here looks at it."""
        return self.certificates / REVOKED

    def signers(self) -> dict[str, dict[str, str]]:
        """Serial of every note here → the key that signed it, the agent it is about, its file."""
        found = {}
        for path in sorted(self.certificates.glob("*.*.json")):
            body = json.loads(path.read_text())["body"]
            found[digest_of(body)] = {
                "key_id": str(body["key_id"]),
                "agent": path.name.split(".")[0],
                "file": path.name,
            }
        return found

    def session_of(self, digest: str) -> Path:
        """Where the signed paper session of an entry is kept."""
        return self.certificates / f"{self.get(digest).digest}.session.json"

    def approval_of(self, digest: str) -> Path:
        """Where the signed approval of an entry is kept."""
        return self.certificates / f"{self.get(digest).digest}.approval.json"

    def promote(
        self,
        digest: str,
        stage: str,
        *,
        now: datetime,
        why: str,
        trusted: Sequence[Ed25519PublicKey] = (),
        revocations: Path | None = None,
    ) -> Entry:
        """One stage on. Everything past candidate needs its certificate, verified here; retiring needs none.

        Live needs three notes that name each other: the live certificate, the signed paper session and a person's
        signed approval of that session.

        Raises:
            RegistryRefused: a stage was skipped or does not exist.
            CertificateRefused: the certificate, the session or the approval does not hold.
        """
        entry = self.get(digest)
        if stage not in STAGES:
            raise RegistryRefused(f"stage {stage!r} is none of {', '.join(STAGES)}")
        if stage not in _ALLOWED[entry.stage]:
            allowed = " or ".join(_ALLOWED[entry.stage]) or "nothing"
            raise RegistryRefused(
                f"{entry.digest[:12]} is {entry.stage}; from there it can become {allowed}, not {stage}"
            )
        certificate: Certificate | None = None
        if stage != "retired":
            wanted = "live" if stage == "live" else "paper"
            certificate = verify(
                self.certificate_of(entry.digest, wanted),
                entry.folder,
                trusted=trusted,
                now=now,
                stage=wanted,
                revocations=revocations,
            )
        if stage == "live" and certificate is not None:
            self._approved(entry, certificate, trusted, now, revocations)
        self._write(entry.digest, [*entry.history, _event(stage, now, why, certificate)])
        return self.get(entry.digest)

    def wants_signature(self, digest: str, *, trusted: Sequence[Ed25519PublicKey], now: datetime) -> bool:
        """Whether the gate may sign this agent: a candidate, or one whose key or certificate has had its time.

        What a person revoked by name is not signed anew behind their back, nor what is retired.
        """
        entry = self.get(digest)
        if entry.stage in ("candidate", "retired"):
            return entry.stage == "candidate"
        path = self.certificate_of(entry.digest)
        try:
            verify(path, entry.folder, trusted=trusted, now=now)
        except CertificateRefused:
            named = revoked(self.revocations)
            serials = {
                serial for serial, about in self.signers().items() if about["file"] == path.name
            } & named.keys()
            return not serials and entry.digest not in named
        return False

    def certify_again(
        self, digest: str, *, now: datetime, why: str, trusted: Sequence[Ed25519PublicKey]
    ) -> Entry:
        """Back to certified, under a new certificate that is verified here; what came after must be earned again."""
        entry = self.get(digest)
        certificate = verify(self.certificate_of(entry.digest), entry.folder, trusted=trusted, now=now)
        self._write(entry.digest, [*entry.history, _event("certified", now, why, certificate)])
        return self.get(entry.digest)

    def _approved(
        self,
        entry: Entry,
        certificate: Certificate,
        trusted: Sequence[Ed25519PublicKey],
        now: datetime,
        revocations: Path | None,
    ) -> None:
        """The certificate, the paper session and the approval must be about each other."""
        session = read_session(
            self.session_of(entry.digest), entry.digest, trusted=trusted, now=now, revocations=revocations
        )
        if certificate.body["paper"]["certificate"] != session.serial:
            raise CertificateRefused(
                f"{entry.digest[:12]}: the live certificate rests on another paper session than the one that is here"
            )
        read_approval(
            self.approval_of(entry.digest),
            entry.digest,
            session=session,
            approved_by=str(certificate.body["approved_by"]),
            trusted=trusted,
            now=now,
            revocations=revocations,
        )

    def champion(self) -> Entry | None:
        """The agent that has come furthest and is not retired; the newest of several."""
        alive = [entry for entry in self.entries() if entry.stage not in ("retired", "candidate")]
        return max(alive, key=lambda e: (STAGES.index(e.stage), e.history[-1]["at"]), default=None)

    def _write(self, digest: str, history: Sequence[Mapping[str, Any]]) -> None:
        target = self._records / f"{digest}.json"
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        with beside.open("w") as file:
            json.dump(list(history), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)


def _event(stage: str, now: datetime, why: str, certificate: Certificate | None) -> dict[str, Any]:
    return {
        "stage": stage,
        "at": now.isoformat(),
        "why": why,
        "certificate": certificate.serial if certificate else None,
    }
