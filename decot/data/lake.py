"""Delta Lake tables by name: atomic, versioned, digested. Knows rows and days, not what they mean.

Every commit carries a manifest of all symbols and days with their digests, so a version of a table can be
named, compared and checked without reading it. Partition columns (`_symbol`, `_day`, `_row`) stay inside.
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

import polars as pl
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, write_deltalake
from deltalake.exceptions import DeltaError

from decot.data.digest import combine, frame_digest
from decot.errors import LakeBroken
from schemas.ref import Ref

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_INNER: Final = ("_symbol", "_day", "_row")
_MANIFEST: Final = "decot"
_NO_DAY: Final = "all"
PATIENCE_S: Final = 120.0
"""how long a writer waits for another one"""

Manifest = dict[str, dict[str, Any]]
"""symbol → {version, columns, days: {day: [rows, digest]}}"""


class Lake:
    """A folder of tables.

    Writers on one machine queue on a lock per table, which the system releases when a process dies; a writer
    elsewhere is caught by Delta's own commit check. A write cut short leaves the version before it in place.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def put(
        self,
        name: str,
        frame: pl.DataFrame,
        *,
        symbol: str,
        day_column: str | None = "timestamp",
        sources: Sequence[Ref] = (),
        note: str = "",
        keep_other_days: bool = False,
    ) -> Ref:
        """Make `frame` the rows of `symbol` in table `name`; the same content twice writes nothing.

        Args:
            day_column: time that decides the day; µs for names ending in `_us`, else ms. None: no days.
            sources: tables this one was made from, kept as lineage.
            keep_other_days: only the days of `frame` are replaced, others of this symbol stay.
        Returns:
            the Ref of all rows of the symbol, with the version in which they last changed.
        Raises:
            LakeBroken: an empty frame, other columns than the table has, or a lock that is not released.
        """
        if frame.is_empty():
            raise LakeBroken(f"{name} of {symbol}: nothing to store, the frame has no rows")
        days = _days_of(frame, day_column)
        if day_column is not None:
            ordered = frame.with_columns(_day=days).sort(day_column, maintain_order=True)
        else:
            ordered = frame.with_columns(_day=days)
        parts = {
            str(key[0]): part.drop("_day") for key, part in ordered.partition_by("_day", as_dict=True).items()
        }
        new = {day: [part.height, frame_digest(part)] for day, part in sorted(parts.items())}

        with self.locked(name):
            table, manifest = self._open(name)
            old = manifest.get(symbol, {"days": {}, "columns": frame.columns, "version": -1})
            wanted = {**old["days"], **new} if keep_other_days else new
            if wanted == old["days"] and old["columns"] == frame.columns:
                return self._ref(name, symbol, old)
            changed = [day for day in new if new[day] != old["days"].get(day)]
            gone = [day for day in old["days"] if day not in wanted]
            version = 0 if table is None else table.version() + 1
            manifest = {**manifest, symbol: {"version": version, "columns": frame.columns, "days": wanted}}
            rows = [
                part.select(
                    pl.lit(symbol).alias("_symbol"),
                    pl.lit(day).alias("_day"),
                    pl.int_range(pl.len(), dtype=pl.Int64).alias("_row"),
                    pl.all(),
                )
                for day, part in sorted(parts.items())
                if day in changed
            ]
            data = pl.concat(rows) if rows else self._no_rows(frame)
            self._commit(name, table, data, symbol, changed + gone, manifest, sources, note)
        return self._ref(name, symbol, manifest[symbol])

    def get(
        self,
        name: str,
        *,
        symbol: str | None = None,
        days: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pl.DataFrame:
        """Rows of a table as they were put: same columns, same order; all symbols when none is named."""
        table, manifest = self._open(name, version)
        if table is None:
            raise LakeBroken(
                f"no table {name!r} in the lake; there are: {', '.join(self.tables()) or 'none'}"
            )
        if symbol is not None and symbol not in manifest:
            raise LakeBroken(f"{name} holds no {symbol!r}; it holds {', '.join(manifest)}")
        try:
            scan = pl.scan_delta(str(self._folder(name)), version=version)
            if symbol is not None:
                scan = scan.filter(pl.col("_symbol") == symbol)
            if days is not None:
                scan = scan.filter(pl.col("_day").is_in(list(days)))
            return scan.sort(_INNER).drop(_INNER).collect()
        except (DeltaError, pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as broken:
            raise LakeBroken(
                f"{name} version {table.version()} cannot be read: {broken}; restore its files, or read an older version"
            ) from broken

    def ref(self, name: str, symbol: str | None = None) -> Ref:
        """The latest Ref of a symbol (of the only one, when none is named)."""
        _, manifest = self._open(name)
        if symbol is None and len(manifest) == 1:
            symbol = next(iter(manifest))
        if symbol not in manifest:
            raise LakeBroken(f"{name} holds no {symbol!r}; it holds {', '.join(manifest) or 'nothing'}")
        return self._ref(name, str(symbol), manifest[str(symbol)])

    def check(self, ref: Ref) -> pl.DataFrame:
        """The very rows a Ref names, their digest recomputed.

        Raises:
            LakeBroken: the stored rows are not those the Ref was given for.
        """
        frame = self.get(ref.table, symbol=ref.symbol, version=ref.version)
        _, manifest = self._open(ref.table, ref.version)
        start, digests = 0, {}
        for day, (rows, _) in sorted(manifest[ref.symbol]["days"].items()):
            digests[day] = frame_digest(frame.slice(start, rows))
            start += rows
        found = combine(digests)
        if found != ref.digest or frame.height != ref.rows:
            raise LakeBroken(
                f"{ref.table} {ref.symbol} version {ref.version}: digest {found[:12]}…, the Ref says {ref.digest[:12]}…; "
                "its files were changed, restore them"
            )
        return frame

    def history(self, name: str) -> list[dict[str, Any]]:
        """Commits, oldest first: version, timestamp_ms, symbol, rows, digest, note, sources."""
        table, _ = self._open(name)
        past = []
        for version in range(0 if table is None else table.version() + 1):
            info = self.commit_info(name, version)
            past.append({"version": version, "timestamp_ms": info["timestamp_ms"], **info["change"]})
        return past

    def tables(self) -> list[str]:
        """Names of all tables with at least one version."""
        if not self.root.is_dir():
            return []
        names = (folder.name for folder in sorted(self.root.iterdir()) if _NAME.fullmatch(folder.name))
        return [name for name in names if DeltaTable.is_deltatable(str(self._folder(name)))]

    def refs(self, names: Sequence[str] | None = None) -> list[Ref]:
        """The latest Ref of every symbol of every table (or of those named), by table and symbol."""
        opened = [(name, self._open(name)[1]) for name in (self.tables() if names is None else names)]
        return [
            self._ref(name, symbol, manifest[symbol])
            for name, manifest in opened
            for symbol in sorted(manifest)
        ]

    def latest(self, name: str) -> int:
        """Number of the last version, −1 when there is no such table."""
        table, _ = self._open(name)
        return -1 if table is None else table.version()

    def log(self, name: str, version: int) -> Path:
        """Delta's own file of one commit."""
        return self._folder(name) / "_delta_log" / f"{version:020d}.json"

    def days(self, name: str, symbol: str) -> list[str]:
        """Days stored for a symbol, in order."""
        _, manifest = self._open(name)
        return sorted(manifest.get(symbol, {"days": {}})["days"])

    def symbols(self, name: str) -> list[str]:
        """Symbols stored in a table, in order."""
        return sorted(self._open(name)[1])

    def _folder(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise LakeBroken(f"{name!r} is no table name; use small letters, digits and _")
        return self.root / name

    def _open(self, name: str, version: int | None = None) -> tuple[DeltaTable | None, Manifest]:
        folder = self._folder(name)
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
                return {**json.loads(info[_MANIFEST]), "timestamp_ms": info["timestamp"]}
        raise KeyError(f"{log.name} holds no commit of ours")

    def _commit(
        self,
        name: str,
        table: DeltaTable | None,
        data: pl.DataFrame,
        symbol: str,
        days: list[str],
        manifest: Manifest,
        sources: Sequence[Ref],
        note: str,
    ) -> None:
        ref = self._ref(name, symbol, manifest[symbol])
        change = {"symbol": symbol, "rows": ref.rows, "digest": ref.digest, "note": note}
        change["sources"] = [source.to_dict() for source in sources]
        alone = set(manifest) == {symbol}
        columns_differ = table is not None and _names(table) != data.columns
        if columns_differ and not alone:
            raise LakeBroken(
                f"{name} has other columns than the frame of {symbol}; store it under another name, "
                "or put every symbol anew"
            )
        whole = table is None or columns_differ
        listed = ", ".join(f"'{_quoted(day)}'" for day in days)
        try:
            write_deltalake(
                str(self._folder(name)),
                data.to_arrow(),
                mode="overwrite",
                partition_by=None if table is not None and not whole else ["_symbol", "_day"],
                schema_mode="overwrite" if whole else None,
                predicate=None if whole else f"_symbol = '{_quoted(symbol)}' AND _day IN ({listed})",
                commit_properties=CommitProperties(
                    custom_metadata={_MANIFEST: json.dumps({"manifest": manifest, "change": change})},
                    max_commit_retries=0,
                ),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
            )
        except (DeltaError, OSError) as broken:
            raise LakeBroken(
                f"{name} of {symbol} was not stored: {broken}; the version before it stands"
            ) from broken

    @staticmethod
    def _no_rows(frame: pl.DataFrame) -> pl.DataFrame:
        inner = [pl.lit("").alias("_symbol"), pl.lit("").alias("_day"), pl.lit(0, pl.Int64).alias("_row")]
        return frame.head(0).select(*inner, pl.all()).head(0)

    @staticmethod
    def _ref(name: str, symbol: str, entry: dict[str, Any]) -> Ref:
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
        self._folder(name)
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


def _names(table: DeltaTable) -> list[str]:
    return [field.name for field in table.schema().fields]


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _days_of(frame: pl.DataFrame, day_column: str | None) -> pl.Series:
    if day_column is None:
        return pl.repeat(_NO_DAY, frame.height, eager=True)
    unit = "us" if day_column.endswith("_us") else "ms"
    time_column = frame[day_column].cast(pl.Datetime(unit))  # type: ignore[arg-type]
    return time_column.dt.date().cast(pl.String)
