"""Where a bad day waits, with a report a person can read. Knows no lake: what is here never enters one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from decot.errors import DataFault

FOLDER: Final = ".quarantine"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One day set aside: what it is, why, and where its rows and report lie."""

    table: str
    symbol: str
    day: str
    failed: tuple[str, ...]
    folder: Path


def set_aside(
    root: Path,
    table: str,
    frame: pl.DataFrame,
    *,
    symbol: str,
    day: str,
    failed: Sequence[str],
    figures: Mapping[str, float] | None = None,
    docs_html: Path | None = None,
) -> Quarantined:
    """Put a bad day beside the lake in `root`, rows and report; a second time replaces the first.

    Raises:
        DataFault: without a reason: a day nobody can explain is not set aside.
    """
    if not failed:
        raise DataFault(f"{table} {symbol} {day}: no reason given to set it aside; say what failed")
    folder = root / FOLDER / table / re.sub(r"[^A-Za-z0-9._-]+", "_", symbol) / day
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    frame.write_parquet(folder / "rows.parquet")
    (folder / "report.md").write_text(
        _report(table, frame, symbol, day, failed, figures or {}, docs_html), encoding="utf-8"
    )
    # Written last: a folder without it was cut short and is not listed.
    said = {"table": table, "symbol": symbol, "day": day, "failed": list(failed)}
    (folder / "why.json").write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return Quarantined(table, symbol, day, tuple(failed), folder)


def quarantined(root: Path) -> list[Quarantined]:
    """Every day set aside under `root`, by table, symbol and day."""
    found = []
    for file in sorted((root / FOLDER).glob("*/*/*/why.json")):
        said = json.loads(file.read_text(encoding="utf-8"))
        found.append(
            Quarantined(said["table"], said["symbol"], said["day"], tuple(said["failed"]), file.parent)
        )
    return found


def release(root: Path, table: str, symbol: str, day: str) -> bool:
    """Forget a day that has since come in good; whether there was one."""
    for one in quarantined(root):
        if (one.table, one.symbol, one.day) == (table, symbol, day):
            shutil.rmtree(one.folder)
            return True
    return False


def _report(
    table: str,
    frame: pl.DataFrame,
    symbol: str,
    day: str,
    failed: Sequence[str],
    figures: Mapping[str, float],
    docs_html: Path | None,
) -> str:
    lines = [
        f"# {table} of {symbol}, {day}: set aside",
        "",
        f"{frame.height:,} rows were not stored, because:",
        "",
        *(f"- {reason}" for reason in failed),
        "",
    ]
    if figures:
        lines += ["| figure | value |", "|---|---|", *(f"| {k} | {v:.6g} |" for k, v in figures.items()), ""]
    if docs_html is not None:
        lines += [f"Data Docs: {docs_html}", ""]
    lines += [
        "The rows lie beside this report (rows.parquet). Correct or fetch the day again, then ingest it again."
    ]
    return "\n".join(lines) + "\n"
