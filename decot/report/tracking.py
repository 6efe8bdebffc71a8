"""The W&B mirror. Knows runs, rows and a spool file; never holds anything that is not written elsewhere already.

A run's words go as JSON lines into a spool file on the local disk, and a child process of low priority
(`tracking_mirror`) carries them to W&B, offline by default. So a W&B that hangs, refuses, fills the disk or
is not installed costs the caller one line of text per call, and at the end at most `close_timeout_s`. The
ledger is the truth: what the mirror missed is rebuilt by `sync_from_ledger`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import decot
from decot.clock import now_us, stopwatch
from decot.errors import ConfigError
from decot.evolve.ledger import Ledger
from decot.report.tracking_reader import OfflineRun, offline_runs, read_offline
from decot.report.tracking_replay import replay

__all__ = [
    "OfflineRun",
    "Tracker",
    "TrackingConfig",
    "TrackingReport",
    "offline_runs",
    "read_offline",
    "replay",
    "sync_from_ledger",
]
log = logging.getLogger(__name__)
_LITTLE = 1 << 20
"""bytes: with fewer left, a child that says nothing has probably tried to"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingConfig:
    mode: str = "offline"
    """"offline", "online" (falls back to offline when W&B does not answer) or "disabled" """
    project: str = "decot"
    max_runs: int = 200
    """runs beyond this many are counted, not mirrored: each costs 0.1 to 0.2 s of the child"""
    close_timeout_s: float = 30.0
    """how long `close` waits for the child before it is ended"""
    stall_s: float = 20.0
    """... or until the child has not moved for this long, which a hanging W&B has behind it before `close` is called"""
    init_timeout_s: float = 10.0
    """online: how long one run may wait for W&B"""
    base_url: str = ""
    """another W&B server than the public one"""
    leave: bool = False
    """when `close` has waited enough, let the child go on behind us instead of ending it"""
    life_s: float = 600.0
    """the child's own end, whatever it hangs in"""

    def __post_init__(self) -> None:
        if self.mode not in ("offline", "online", "disabled"):
            raise ConfigError([f"tracking mode {self.mode!r}: offline, online or disabled"])


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingReport:
    """What became of the mirror."""

    runs: int
    """finished in the mirror"""
    skipped: int
    """started beyond `max_runs`"""
    waited_s: float
    """what `close` cost the caller"""
    why: str
    """empty when everything was mirrored; else what went wrong"""
    folder: str
    """where the run folders lie"""


class Tracker:
    """Mirrors runs without ever raising, waiting or slowing before `close`.

    Args:
        folder: gets the spool, the child's log and, under `wandb/`, the run folders.
    """

    def __init__(self, cfg: TrackingConfig, folder: str | Path) -> None:
        self.cfg, self.folder = cfg, Path(folder).resolve()
        self.why = "" if cfg.mode != "disabled" else "tracking is disabled"
        self._started: set[str] = set()
        self._skipped: set[str] = set()
        self._child: subprocess.Popen[bytes] | None = None
        if not self.why and not _installed():
            self._give_up("wandb is not installed: pip install 'decot[track]'")

    def start(
        self, run: str, *, group: str = "", job_type: str = "train", config: Mapping[str, Any] | None = None
    ) -> None:
        """Opens a run of this name (once)."""
        if run in self._started or run in self._skipped:
            return
        if len(self._started) >= self.cfg.max_runs:
            self._skipped.add(run)
            return
        self._started.add(run)
        self._say(run, "start", group=group, job_type=job_type, config=dict(config or {}))

    def log(self, run: str, row: Mapping[str, Any]) -> None:
        """One row of the run's history."""
        self._say(run, "log", row=dict(row))

    def table(self, run: str, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table, such as a confusion of thoughts."""
        self._say(run, "table", name=name, columns=list(columns), rows=[list(row) for row in rows])

    def artefact(
        self, run: str, name: str, kind: str, *, path: str = "", metadata: Mapping[str, Any] | None = None
    ) -> None:
        """A reference to data or a model; nothing is copied."""
        self._say(run, "artefact", name=name, kind=kind, path=path, metadata=dict(metadata or {}))

    def finish(self, run: str, summary: Mapping[str, Any] | None = None) -> None:
        """Closes a run with the figures to remember it by."""
        self._say(run, "finish", summary=dict(summary or {}))

    def close(self) -> TrackingReport:
        """Lets the child finish within its time; then ends it. Calling it again changes nothing."""
        began = stopwatch()
        if self._child is not None:
            self._say("", "close")
            code = self._wait(self._child, began)
            if code is None and self.cfg.leave:
                self.why = "still being mirrored behind the run"
            elif code is None:
                self._give_up("W&B does not move; the ledger has everything")
            elif code:
                self._give_up(f"the mirror ended with {code}: {_last_line(self.folder / 'mirror.log')}")
            if code is not None or not self.cfg.leave:
                _end(self._child)
            self._child = None
        status = _status(self.folder)
        self.why = self.why or status.get("why", "")
        return TrackingReport(
            runs=status.get("finished", 0),
            skipped=len(self._skipped),
            waited_s=stopwatch() - began,
            why=self.why,
            folder=str(self.folder / "wandb"),
        )

    def _wait(self, child: subprocess.Popen[bytes], began: float) -> int | None:
        """The child's exit code; None when its time is up or it has stopped moving."""
        online = self.cfg.mode == "online"
        stall_us = 1e6 * (self.cfg.stall_s + (self.cfg.init_timeout_s if online else 0.0))
        moves = [self.folder / "mirror.json", self.folder / "mirror.log"]
        while stopwatch() - began < self.cfg.close_timeout_s:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.wait(0.1)
            last = max((path.stat().st_mtime_ns for path in moves if path.exists()), default=0)
            if now_us() - last / 1e3 > stall_us:
                return None
        return None

    def _say(self, run: str, verb: str, **words: Any) -> None:
        if self.why or (run and run not in self._started):
            return
        try:
            if self._child is None:
                self._child = self._spawn()
            with (self.folder / "spool.jsonl").open("a") as spool:
                spool.write(json.dumps({"run": run, "verb": verb, **words}, default=str) + "\n")
        except OSError as error:  # a full disk must not stop a training
            self._give_up(f"the spool cannot be written: {error}")

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("spool.jsonl", "mirror.json"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "config.json").write_text(json.dumps(asdict(self.cfg)))
        with (self.folder / "mirror.log").open("wb") as output:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "decot.report.tracking_mirror",
                    str(self.folder),
                    str(os.getpid()),
                ],
                env=_environment(self.cfg, self.folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # W&B's own service is its child: both are ended together
            )

    def _give_up(self, why: str) -> None:
        self.why = why
        log.warning("tracking stops, the run goes on: %s", why)


def sync_from_ledger(
    ledger: str | Path, folder: str | Path, cfg: TrackingConfig | None = None
) -> TrackingReport:
    """Rebuilds the whole mirror from the trial ledger.

    Raises:
        LedgerBroken: a ledger that does not hold is not mirrored.
    """
    Ledger.verify(ledger)
    tracker = Tracker(cfg or TrackingConfig(), folder)
    replay(tracker, Ledger(ledger).lines())
    return tracker.close()


def _installed() -> bool:
    spec = importlib.util.find_spec("wandb")
    return spec is not None and spec.origin is not None  # a folder named wandb/ is no package


def _environment(cfg: TrackingConfig, folder: Path) -> dict[str, str]:
    kept = dict(os.environ)
    if cfg.mode != "online":
        kept.pop("WANDB_API_KEY", None)
    path = [kept.get("PYTHONPATH", ""), str(Path(decot.__file__).resolve().parents[1])]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(part for part in path if part),
        "WANDB_DIR": str(folder),
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_DATA_DIR": str(folder / "data"),
        "WANDB_CONFIG_DIR": str(folder / "config"),
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "DO_NOT_TRACK": "1",
        **({"WANDB_BASE_URL": cfg.base_url} if cfg.base_url else {}),
    }


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends the child's whole session, so that nothing of W&B is left behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _status(folder: Path) -> dict[str, Any]:
    path = folder / "mirror.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    if lines:
        return lines[-1][:300]
    left = shutil.disk_usage(path.parent).free if path.parent.exists() else 0
    return "no word" if left > _LITTLE else f"no word, and its disk has {left // 1024} kB left: make room"
