"""The trial ledger: every trial, generation and gate attempt, written once and chained. Knows lines and hashes;
knows nothing of what they mean, beyond counting trials and their Sharpe ratios.

    line n   {"n", "kind", "prev", "payload", "hash"},  hash = sha256(canonical [n, kind, prev, payload])
    seal     PATH.head: {"count", "hash", "pending"}: how far the ledger goes, and the hash of the line being written

A line is written in three moves: announce its hash in the seal, append it, seal it. A process killed between two of
them leaves a ledger that can be told from one that was edited: a torn or missing line is forgiven only when it
was announced. Wall-clock time is in no line, so the same search leaves the same bytes.
It finds edits by hand, not a forger who rewrites the chain and the seal together: that is what the copy of the head
in a certificate is for.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decot.errors import LedgerBroken

log = logging.getLogger(__name__)
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    n: int
    kind: str
    prev: str
    payload: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSummary:
    """What a gate needs to know of the search behind a candidate."""

    n_lines: int
    n_trials: int
    """every evaluation: rungs and repetitions included"""
    sharpes: tuple[float, ...]
    """one per trial: mean over deviation of its per-period P&L, not annualised; 0 without spread"""
    head: str
    kinds: dict[str, int]
    torn: bool
    """a last line cut by a kill, announced and not counted; opening the ledger for writing removes it"""


class Ledger:
    """An append-only, hash-chained JSONL file and its seal.

    Raises:
        LedgerBroken: the file was changed by someone else than `append`; the message names the line.
    """

    def __init__(self, path: str | Path, *, fsync: bool = True) -> None:
        self.path, self.fsync = Path(path), fsync
        self._lines: list[Line] = []
        self._known_size = 0
        self.repaired = ""
        """what was mended on opening: a line torn by a kill; empty when nothing was"""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._load()

    @property
    def head(self) -> str:
        """Hash of the last line; 64 zeros when there is none."""
        return self._lines[-1].hash if self._lines else GENESIS

    @property
    def count(self) -> int:
        return len(self._lines)

    def lines(self, kind: str | None = None) -> list[Line]:
        """The lines as this process knows them, in order."""
        return [line for line in self._lines if kind is None or line.kind == kind]

    def append(self, kind: str, payload: Mapping[str, Any]) -> str:
        """Writes one line, safe against a kill at any instruction, and returns its hash. Other processes may append
        to the same ledger between two calls."""
        with self._locked():
            if self._size() != self._known_size:
                self._load()
            n, prev = len(self._lines) + 1, self.head
            line = Line(n=n, kind=kind, prev=prev, payload=json.loads(_canonical(payload)), hash="")
            digest = _digest(line)
            text = _canonical({"n": n, "kind": kind, "prev": prev, "payload": line.payload, "hash": digest})
            self._seal(n - 1, prev, digest)
            with self.path.open("ab") as file:
                file.write(text.encode() + b"\n")
                self._flush(file)
            self._seal(n, digest, "")
            self._lines.append(Line(n=n, kind=kind, prev=prev, payload=line.payload, hash=digest))
            self._known_size = self._size()
        return digest

    @staticmethod
    def verify(path: str | Path) -> LedgerSummary:
        """Walks the whole chain and changes nothing.

        Raises:
            LedgerBroken: names the line that was edited, removed, reordered or appended, or that the end is missing.
        """
        path = Path(path)
        if not path.exists():
            raise LedgerBroken(f"{path.name}: there is no ledger; without its trials nothing can be judged")
        lines, torn = _read(path)
        trials = [line for line in lines if line.kind == "trial"]
        kinds: dict[str, int] = {}
        for line in lines:
            kinds[line.kind] = kinds.get(line.kind, 0) + 1
        return LedgerSummary(
            n_lines=len(lines),
            n_trials=len(trials),
            sharpes=tuple(
                _sharpe(line.payload.get("evaluation", {}).get("period_pnl", [])) for line in trials
            ),
            head=lines[-1].hash if lines else GENESIS,
            kinds=kinds,
            torn=torn,
        )

    def _load(self) -> None:
        if not self.path.exists():
            _refuse_orphan_seal(self.path)
            self.path.touch()
        self._lines, torn = _read(self.path)
        if torn:
            keep = _whole_bytes(self.path)
            self.repaired = f"{self.path.name}: line {len(self._lines) + 1} was torn by a kill and is cut off"
            log.warning("%s (%d bytes)", self.repaired, self._size() - keep)
            os.truncate(self.path, keep)
        self._seal(len(self._lines), self.head, "")
        self._known_size = self._size()

    def _seal(self, count: int, digest: str, pending: str) -> None:
        part = self.path.with_name(self.path.name + ".head.part")
        with part.open("wb") as file:
            file.write(_canonical({"count": count, "hash": digest, "pending": pending}).encode())
            self._flush(file)
        os.replace(part, seal_path(self.path))

    def _flush(self, file: Any) -> None:
        file.flush()
        if self.fsync:
            os.fsync(file.fileno())

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self.path.with_name(self.path.name + ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def seal_path(path: Path) -> Path:
    """Where the seal of a ledger lies."""
    return path.with_name(path.name + ".head")


def _read(path: Path) -> tuple[list[Line], bool]:
    """All whole lines, checked against each other and the seal; and whether a torn one follows."""
    raw = path.read_bytes()
    *whole, tail = raw.split(b"\n")
    lines: list[Line] = []
    for n, text in enumerate(whole, start=1):
        lines.append(_checked(path, n, text, lines[-1] if lines else None, whole))
    seal = _read_seal(path, len(lines), bool(tail))
    count, digest, pending = seal["count"], seal["hash"], seal["pending"]

    if len(lines) < count:
        raise LedgerBroken(
            f"{path.name}: ledger trimmed: the seal counts {count} lines, {len(lines)} are left (line "
            f"{len(lines) + 1} is missing); restore the file from a copy"
        )
    if count and lines[count - 1].hash != digest:
        raise LedgerBroken(
            f"{path.name}: line {count} is not the one that was sealed ({lines[count - 1].hash[:12]} instead of "
            f"{digest[:12]}): the ledger was rewritten; restore it from a copy"
        )
    extra = lines[count:]
    if len(extra) > 1 or (extra and extra[0].hash != pending):
        n = count + 1 if not extra or extra[0].hash != pending else count + 2
        raise LedgerBroken(f"{path.name}: line {n} was appended by hand: the seal ends at {count}; remove it")
    if tail and (extra or not pending):
        raise LedgerBroken(
            f"{path.name}: line {len(lines) + 1} is not whole and nobody was writing it: appended by hand; remove it"
        )
    return lines, bool(tail)


def _checked(path: Path, n: int, text: bytes, before: Line | None, whole: list[bytes]) -> Line:
    try:
        found = json.loads(text)
        line = Line(**found)
    except (ValueError, TypeError):
        raise LedgerBroken(f"{path.name}: line {n} cannot be read: it was edited; restore it") from None
    if _digest(line) != line.hash or _canonical(found).encode() != text:
        raise LedgerBroken(
            f"{path.name}: line {n} was edited: its hash does not fit its words, or it was written anew; restore it"
        )
    if line.n != n:
        later = any(json.loads(other).get("n") == n for other in whole[n:] if other.startswith(b"{"))
        why = "was reordered" if later else "was removed"
        raise LedgerBroken(f"{path.name}: line {n} {why}: line {line.n} stands in its place; restore it")
    prev = before.hash if before else GENESIS
    if line.prev != prev:
        raise LedgerBroken(
            f"{path.name}: line {n} does not follow line {n - 1}: line {n - 1} was edited and hashed anew; restore it"
        )
    return line


def _read_seal(path: Path, n_lines: int, has_tail: bool) -> dict[str, Any]:
    seal = seal_path(path)
    if not seal.exists():
        if n_lines or has_tail:
            raise LedgerBroken(
                f"{path.name}: its seal {seal.name} is missing; restore both files from a copy"
            )
        return {"count": 0, "hash": GENESIS, "pending": ""}
    try:
        found = json.loads(seal.read_bytes())
        return {"count": int(found["count"]), "hash": str(found["hash"]), "pending": str(found["pending"])}
    except (ValueError, KeyError, TypeError):
        raise LedgerBroken(f"{seal.name}: the seal cannot be read; restore it from a copy") from None


def _refuse_orphan_seal(path: Path) -> None:
    count = _read_seal(path, 0, False)["count"]
    if count:
        raise LedgerBroken(
            f"{path.name}: the ledger is gone, its seal counts {count} lines; restore it from a copy"
        )


def _whole_bytes(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _digest(line: Line) -> str:
    return hashlib.sha256(_canonical([line.n, line.kind, line.prev, line.payload]).encode()).hexdigest()


def _sharpe(period_pnl: list[float]) -> float:
    if len(period_pnl) < 2:
        return 0.0
    spread = statistics.stdev(period_pnl)
    return statistics.fmean(period_pnl) / spread if spread > 0 else 0.0
