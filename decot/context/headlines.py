"""Headlines from files and feeds into one table. Knows files and clocks; knows no encoder and no bars.

Publication is what the source says; availability is when we could have read it, and is what every join uses.
Where a file does not say when a headline became available, `assumed_delay_s` is added to its publication and the
count is reported. A repeat of the same words within `repeat_hours` is dropped, whoever prints it; the first
copy to become available is kept, so the choice never depends on the future.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from decot.context.feeds import FeedItem, parse_feed, to_ms
from decot.errors import TapeRefused

SCHEMA = {
    "published_ms": pl.Int64(),
    "available_ms": pl.Int64(),
    "source": pl.String(),
    "text": pl.String(),
}
_PUBLISHED = (
    "published_ms",
    "published",
    "published_at",
    "pubdate",
    "ts",
    "timestamp",
    "datetime",
    "date",
    "time",
)
_AVAILABLE = ("available_ms", "available_at", "available", "received_at", "recv_ms", "fetched_at")
_TEXT = ("text", "headline", "title", "content")
_WAY_OUT = (
    "give a time, a text and, if you can, an available_at column (CSV, Parquet, JSONL) or an RSS/Atom feed"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadlinesConfig:
    """How a file that says little is read."""

    assumed_delay_s: float = 60.0
    """from publication to our desk, where the file has no availability"""
    repeat_hours: float = 72.0
    """the same words within this time are one headline"""


@dataclass(frozen=True, slots=True)
class HeadlinesRead:
    """The table, and what had to be done to get it."""

    frame: pl.DataFrame
    """published_ms, available_ms, source, text; sorted by available_ms"""
    n_read: int
    n_repeats: int
    """dropped: the same words, shortly before"""
    n_empty: int
    """dropped: no words"""
    n_assumed: int
    """availability was assumed, not stated"""
    n_postdated: int
    """said to be published after we had them; publication was set to availability"""


def read_headlines(
    path: Path, cfg: HeadlinesConfig | None = None, *, fetched_ms: int | None = None
) -> HeadlinesRead:
    """The headlines of one CSV, Parquet, JSONL, RSS or Atom file.

    Args:
        path: the kind is told by the suffix: .csv, .parquet, .jsonl/.ndjson, .xml/.rss/.atom.
        fetched_ms: when a feed was fetched; every item of it counts as available then, not before.
    Raises:
        TapeRefused: names file, column, row and the way out.
    """
    cfg = cfg or HeadlinesConfig()
    path = Path(path)
    kind = path.suffix.lower()
    if not path.is_file():
        raise TapeRefused(path.name, "no such file", "check the path")
    if kind in (".xml", ".rss", ".atom"):
        return settle([from_feed(item, fetched_ms) for item in parse_feed(path.read_bytes(), path.name)], cfg)
    try:
        if kind == ".csv":
            frame = pl.read_csv(path, infer_schema_length=2_000)
        elif kind == ".parquet":
            frame = pl.read_parquet(path)
        elif kind in (".jsonl", ".ndjson"):
            frame = pl.DataFrame(_json_lines(path), infer_schema_length=None)
        else:
            raise TapeRefused(path.name, f"{kind or 'no suffix'} is no known kind", _WAY_OUT)
    except (pl.exceptions.PolarsError, OSError) as broken:
        raise TapeRefused(path.name, str(broken).splitlines()[0][:200], _WAY_OUT) from broken
    return settle(_from_table(frame, path), cfg)


def settle(rows: list[dict[str, Any]], cfg: HeadlinesConfig | None = None) -> HeadlinesRead:
    """Clean words, fill what is missing, drop repeats, sort by availability.

    Args:
        rows: each with `published_ms`, `available_ms` (either may be None, not both), `source`, `text`.
    """
    cfg = cfg or HeadlinesConfig()
    delay_ms = round(cfg.assumed_delay_s * 1_000)
    kept: list[dict[str, Any]] = []
    n_empty = n_assumed = n_postdated = 0
    for row in rows:
        text = clean(row["text"] or "")
        if not text:
            n_empty += 1
            continue
        published, available = row["published_ms"], row["available_ms"]
        if available is None:
            available, n_assumed = published + delay_ms, n_assumed + 1
        if published is None:
            published = available
        if published > available:
            published, n_postdated = available, n_postdated + 1
        kept.append(
            {
                "published_ms": published,
                "available_ms": available,
                "source": row["source"] or "",
                "text": text,
            }
        )
    kept.sort(key=lambda row: (row["available_ms"], row["published_ms"], row["source"], row["text"]))
    unique = _without_repeats(kept, round(cfg.repeat_hours * 3_600_000))
    return HeadlinesRead(
        pl.DataFrame(unique, schema=SCHEMA),
        len(rows),
        len(kept) - len(unique),
        n_empty,
        n_assumed,
        n_postdated,
    )


def clean(text: str) -> str:
    """Words only: no tags, no entities, one blank between words, NFKC."""
    return " ".join(unicodedata.normalize("NFKC", html.unescape(re.sub(r"<[^>]{0,500}>", " ", text))).split())


def _without_repeats(rows: list[dict[str, Any]], within_ms: int) -> list[dict[str, Any]]:
    last: dict[str, int] = {}
    kept = []
    for row in rows:
        words = re.sub(r"\W+", " ", row["text"]).casefold().strip() or row["text"]
        seen = last.get(words)
        if seen is None or row["available_ms"] - seen > within_ms:
            last[words] = row["available_ms"]
            kept.append(row)
    return kept


def from_feed(item: FeedItem, fetched_ms: int | None) -> dict[str, Any]:
    """One row for `settle`; TapeRefused when neither the item nor the fetch has a time."""
    if item.published_ms is None and fetched_ms is None:
        raise TapeRefused(
            item.source, f"{item.title[:60]!r} has no date", "say when the feed was fetched (fetched_ms)"
        )
    return {
        "published_ms": item.published_ms,
        "available_ms": fetched_ms,
        "source": item.source,
        "text": item.title,
    }


def _from_table(frame: pl.DataFrame, path: Path) -> list[dict[str, Any]]:
    names = {name.lower(): name for name in frame.columns}

    def find(wanted: tuple[str, ...]) -> str | None:
        return next((names[name] for name in wanted if name in names), None)

    text, published, available = find(_TEXT), find(_PUBLISHED), find(_AVAILABLE)
    if text is None or (published is None and available is None):
        missing = "text" if text is None else "published_ms"
        raise TapeRefused(
            path.name, f"missing; the file has {', '.join(frame.columns)}", _WAY_OUT, column=missing
        )
    source = names.get("source")
    rows = []
    for i, row in enumerate(frame.iter_rows(named=True)):
        times: dict[str, int | None] = {"published_ms": None, "available_ms": None}
        for key, column in (("published_ms", published), ("available_ms", available)):
            if column is None or row[column] is None:
                continue
            times[key] = to_ms(row[column])
            if times[key] is None:
                why = f"{str(row[column])[:40]!r} is no time"
                raise TapeRefused(path.name, why, "write ISO 8601 or epoch time", column=column, row=i)
        if times["published_ms"] is None and times["available_ms"] is None:
            raise TapeRefused(path.name, "no time", "write ISO 8601 or epoch time", column=published, row=i)
        said = str(row[source]) if source is not None and row[source] is not None else path.stem
        rows.append({**times, "source": said, "text": None if row[text] is None else str(row[text])})
    return rows


def _json_lines(path: Path) -> list[dict[str, Any]]:
    rows = []
    for i, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as broken:
            raise TapeRefused(
                path.name, f"line is no JSON ({broken.msg})", "repair or drop it", row=i
            ) from broken
        if not isinstance(row, dict):
            raise TapeRefused(path.name, "line is no JSON object", "repair or drop it", row=i)
        rows.append(row)
    return rows
