"""The log of a Delta table: which versions there are, what was written beside each, who may write. Knows no rows.

Every commit carries a manifest of all symbols and days with their digests, so a version of a table can be
named, compared and checked without reading it.
"""

from __future__ import annotations

import fcntl
import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from decot.data.digest import combine
from decot.errors import LakeBroken
from schemas.ref import Ref

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
KEY: Final = "decot"
"""where in Delta's commit information ours lies"""
PATIENCE_S: Final = 120.0
"""how long a writer waits for another one"""

Manifest = dict[str, dict[str, Any]]
"""symbol → {version, columns, days: {day: [rows, digest]}}"""


class LakeLog:
    """A folder of tables, seen through their logs."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def tables(self) -> list[str]:
        """Names of all tables with at least one version."""
        if not self.root.is_dir():
            return []
        names = (folder.name for folder in sorted(self.root.iterdir()) if _NAME.fullmatch(folder.name))
        return [name for name in names if DeltaTable.is_deltatable(str(self.folder(name)))]

    def refs(self, names: Sequence[str] | None = None) -> list[Ref]:
        """The latest Ref of every symbol of every table (or of those named), by table and symbol."""
        opened = [(name, self.open(name)[1]) for name in (self.tables() if names is None else names)]
        return [
            self.named(name, symbol, manifest[symbol])
            for name, manifest in opened
            for symbol in sorted(manifest)
        ]

    def latest(self, name: str) -> int:
        """Number of the last version, −1 when there is no such table."""
        table, _ = self.open(name)
        return -1 if table is None else table.version()

    def log(self, name: str, version: int) -> Path:
        """Delta's own file of one commit."""
        return self.folder(name) / "_delta_log" / f"{version:020d}.json"

    def days(self, name: str, symbol: str) -> list[str]:
        """Days stored for a symbol, in order."""
        _, manifest = self.open(name)
        return sorted(manifest.get(symbol, {"days": {}})["days"])

    def symbols(self, name: str) -> list[str]:
        """Symbols stored in a table, in order."""
        return sorted(self.open(name)[1])

    def ref(self, name: str, symbol: str | None = None) -> Ref:
        """The latest Ref of a symbol (of the only one, when none is named)."""
        _, manifest = self.open(name)
        if symbol is None and len(manifest) == 1:
            symbol = next(iter(manifest))
        if symbol not in manifest:
            raise LakeBroken(f"{name} holds no {symbol!r}; it holds {', '.join(manifest) or 'nothing'}")
        return self.named(name, str(symbol), manifest[str(symbol)])

    def history(self, name: str) -> list[dict[str, Any]]:
        """Commits, oldest first: version, timestamp_ms, symbol, rows, digest, note, sources."""
        table, _ = self.open(name)
        past = []
        for version in range(0 if table is None else table.version() + 1):
            info = self.commit_info(name, version)
            past.append({"version": version, "timestamp_ms": info["timestamp_ms"], **info["change"]})
        return past

    def folder(self, name: str) -> Path:
        """Where a table lies.

        Raises:
            LakeBroken: it cannot be a name.
        """
        if not _NAME.fullmatch(name):
            raise LakeBroken(f"{name!r} is no table name; use small letters, digits and _")
        return self.root / name

    def open(self, name: str, version: int | None = None) -> tuple[DeltaTable | None, Manifest]:
        """A table and the manifest of a version (the last one); None and nothing when there is no such table."""
        folder = self.folder(name)
        try:
            if not DeltaTable.is_deltatable(str(folder)):
                return None, {}
            table = DeltaTable(str(folder), version=version)
            return table, self.commit_info(name, table.version())["manifest"]
        except (DeltaError, KeyError, ValueError, OSError) as broken:
            asked = "" if version is None else f" version {version}"
            raise LakeBroken(f"{name}{asked} cannot be opened: {broken}") from broken

    def commit_info(self, name: str, version: int) -> dict[str, Any]:
        """What we wrote beside a commit; read from Delta's own log, whose history() misnumbers old versions."""
        log = self.log(name, version)
        for line in log.read_text(encoding="utf-8").splitlines():
            if info := json.loads(line).get("commitInfo"):
                return {**json.loads(info[KEY]), "timestamp_ms": info["timestamp"]}
        raise KeyError(f"{log.name} holds no commit of ours")

    @staticmethod
    def named(name: str, symbol: str, entry: dict[str, Any]) -> Ref:
        return Ref(
            table=name,
            version=entry["version"],
            rows=sum(rows for rows, _ in entry["days"].values()),
            columns=len(entry["columns"]),
            digest=combine({day: digest for day, (_, digest) in entry["days"].items()}),
            symbol=symbol,
        )

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """One writer a table; the lock dies with its process."""
        self.folder(name)
        locks = self.root / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + PATIENCE_S
        with (locks / f"{name}.lock").open("w") as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise LakeBroken(
                            f"{name} has been written by another process for {PATIENCE_S:.0f} s; wait for it or end it"
                        ) from None
                    time.sleep(0.02)
            yield
