"""Delta Lake tables by name: atomic, versioned, digested. Knows rows and days, not what they mean.

The log and its manifests are in lake_log.py. Partition columns (`_symbol`, `_day`, `_row`) stay inside.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import polars as pl
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, write_deltalake
from deltalake.exceptions import DeltaError

from decot.data.digest import combine, frame_digest
from decot.data.lake_log import KEY, LakeLog, Manifest
from decot.errors import LakeBroken
from schemas.ref import Ref

_INNER: Final = ("_symbol", "_day", "_row")
_NO_DAY: Final = "all"


class Lake(LakeLog):
    """A folder of tables.

    Writers on one machine queue on a lock per table, which the system releases when a process dies; a writer
    elsewhere is caught by Delta's own commit check. A write cut short leaves the version before it in place.
    """

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
            table, manifest = self.open(name)
            old = manifest.get(symbol, {"days": {}, "columns": frame.columns, "version": -1})
            wanted = {**old["days"], **new} if keep_other_days else new
            if wanted == old["days"] and old["columns"] == frame.columns:
                return self.named(name, symbol, old)
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
        return self.named(name, symbol, manifest[symbol])

    def get(
        self,
        name: str,
        *,
        symbol: str | None = None,
        days: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pl.DataFrame:
        """Rows of a table as they were put: same columns, same order; all symbols when none is named."""
        table, manifest = self.open(name, version)
        if table is None:
            raise LakeBroken(
                f"no table {name!r} in the lake; there are: {', '.join(self.tables()) or 'none'}"
            )
        if symbol is not None and symbol not in manifest:
            raise LakeBroken(f"{name} holds no {symbol!r}; it holds {', '.join(manifest)}")
        try:
            scan = pl.scan_delta(str(self.folder(name)), version=version)
            if symbol is not None:
                scan = scan.filter(pl.col("_symbol") == symbol)
            if days is not None:
                scan = scan.filter(pl.col("_day").is_in(list(days)))
            return scan.sort(_INNER).drop(_INNER).collect()
        except (DeltaError, pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as broken:
            raise LakeBroken(
                f"{name} version {table.version()} cannot be read: {broken}; restore its files, or read an older version"
            ) from broken

    def check(self, ref: Ref) -> pl.DataFrame:
        """The very rows a Ref names, their digest recomputed.

        Raises:
            LakeBroken: the stored rows are not those the Ref was given for.
        """
        frame = self.get(ref.table, symbol=ref.symbol, version=ref.version)
        _, manifest = self.open(ref.table, ref.version)
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
        ref = self.named(name, symbol, manifest[symbol])
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
                str(self.folder(name)),
                data.to_arrow(),
                mode="overwrite",
                partition_by=None if table is not None and not whole else ["_symbol", "_day"],
                schema_mode="overwrite" if whole else None,
                predicate=None if whole else f"_symbol = '{_quoted(symbol)}' AND _day IN ({listed})",
                commit_properties=CommitProperties(
                    custom_metadata={KEY: json.dumps({"manifest": manifest, "change": change})},
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
