"""Where a bad day waits, with a report a person can read and a person's decision. Knows no lake: nothing here enters one.

    ROOT/<symbol>/<day>/rows.parquet, why.md, why.json     a day set aside
    ROOT/decisions.json                                    what a person has decided about such days

A decision names the very rows it was made about; other rows of that day are judged anew.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import polars as pl

from decot import clock
from decot.data.digest import frame_digest
from decot.data.record_store import write_text, write_whole
from decot.errors import DataFault

DECISIONS: Final = "decisions.json"
ACCEPT, LEAVE_OUT = "accept", "leave-out"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One day set aside: what it is, why, and where its rows and report lie."""

    table: str
    symbol: str
    day: str
    failed: tuple[str, ...]
    digest: str
    """of its rows"""
    folder: Path


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person has decided about one quarantined day."""

    symbol: str
    day: str
    what: str
    """accept: take it as it is; leave-out: go on without it"""
    because: str
    failed: tuple[str, ...]
    digest: str
    """of the rows the decision was made about"""
    decided: str


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
    """Put a bad day into `root`, rows and report; a second time replaces the first.

    Raises:
        DataFault: without a reason: a day nobody can explain is not set aside.
    """
    if not failed:
        raise DataFault(f"{table} {symbol} {day}: no reason given to set it aside; say what failed")
    folder = root / _slug(symbol) / day
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    frame.write_parquet(folder / "rows.parquet")
    (folder / "why.md").write_text(
        _report(table, frame, symbol, day, failed, figures or {}, docs_html), encoding="utf-8"
    )
    one = Quarantined(table, symbol, day, tuple(failed), frame_digest(frame), folder)
    # Written last: a folder without it was cut short and is not listed.
    said = {key: value for key, value in asdict(one).items() if key != "folder"}
    (folder / "why.json").write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return one


def quarantined(root: Path) -> list[Quarantined]:
    """Every day set aside under `root`, by symbol and day."""
    found = []
    for file in sorted(root.glob("*/*/why.json")):
        said = json.loads(file.read_text(encoding="utf-8"))
        found.append(Quarantined(**{**said, "failed": tuple(said["failed"])}, folder=file.parent))
    return found


def release(root: Path, symbol: str, day: str) -> bool:
    """Forget a day, because it has come in good or somebody has decided; whether there was one."""
    found = [one for one in quarantined(root) if (one.symbol, one.day) == (symbol, day)]
    for one in found:
        shutil.rmtree(one.folder)
    return bool(found)


def decide(root: Path, symbol: str, day: str, what: str, because: str) -> Decision:
    """Write down what shall happen to a quarantined day when it is ingested again.

    Raises:
        DataFault: no such day is in quarantine, or no reason is given.
    """
    if not because.strip():
        raise DataFault(f"{symbol} {day}: say why, in a few words; the reason is kept with the day")
    held = quarantined(root)
    known = ", ".join(f"{one.symbol} {one.day}" for one in held)
    one = next((one for one in held if (one.symbol, one.day) == (symbol, day)), None)
    if one is None:
        raise DataFault(f"{symbol} {day} is not in quarantine; there are: {known or 'none'}")
    made = Decision(
        symbol=symbol,
        day=day,
        what=what,
        because=because.strip(),
        failed=one.failed,
        digest=one.digest,
        decided=clock.iso(clock.now_us() // 1000),
    )
    _write(root, {**decisions(root), (symbol, day): made})
    return made


def forget(root: Path, symbol: str, day: str) -> bool:
    """Take a decision back; whether there was one."""
    held = decisions(root)
    was_there = held.pop((symbol, day), None) is not None
    if was_there:
        _write(root, held)
    return was_there


def decisions(root: Path) -> dict[tuple[str, str], Decision]:
    """Every decision, by symbol and day."""
    file = root / DECISIONS
    listed = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    found = (Decision(**{**one, "failed": tuple(one["failed"])}) for one in listed)
    return {(one.symbol, one.day): one for one in found}


def decided(root: Path, symbol: str, day: str, frame: pl.DataFrame) -> Decision | None:
    """The decision about these very rows, if there is one."""
    one = decisions(root).get((symbol, day))
    return one if one is not None and one.digest == frame_digest(frame) else None


def ways_out(bad: Sequence[Quarantined]) -> list[str]:
    """What a person can do about days just set aside, as lines for the refusal."""
    first = bad[0]
    home = first.folder.parents[2]
    where = "" if home.name == ".decot" and not home.is_absolute() else f" --home {home}"
    return [
        f"read why: decot quarantine{where}   (rows and why.md of each day are under {first.folder.parent})",
        f"go on without such a day: decot quarantine leave-out {first.symbol} {first.day} --because …{where}",
        f"take it with its faults: decot quarantine accept {first.symbol} {first.day} --because …{where}",
        "or fetch the day again; then give the same ingest command once more",
    ]


def _write(root: Path, held: Mapping[tuple[str, str], Decision]) -> None:
    listed = [asdict(held[key]) for key in sorted(held)]
    text = json.dumps(listed, ensure_ascii=False, indent=1)
    write_whole(root / DECISIONS, lambda path: write_text(path, text))


def _slug(symbol: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", symbol)


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
        "The rows lie beside this report (rows.parquet). Fetch the day again, or decide about it, and ingest again:",
        "",
        f"    decot quarantine leave-out {symbol} {day} --because …",
        f"    decot quarantine accept {symbol} {day} --because …",
    ]
    return "\n".join(lines) + "\n"
