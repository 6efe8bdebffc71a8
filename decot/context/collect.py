"""A feed or a file, now and again, into one growing headlines file. Knows addresses and clocks; knows no tape.

Each headline is stamped with the moment we fetched it: a feed that lists yesterday's news gives it to us today. What was
collected once keeps its stamp for good.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from decot import clock
from decot.context.feeds import MAX_BYTES, parse_feed
from decot.context.headlines import HeadlinesConfig, HeadlinesRead, clean, from_feed, read_headlines, settle
from decot.errors import FeedStalled, TapeRefused

TIME_BOX_S = 10.0


@dataclass(frozen=True, slots=True)
class Collected:
    """What one round brought."""

    n_new: int
    n_total: int
    n_repeats: int
    """in the source, but the same words shortly before, or already collected"""
    fetched_ms: int


def is_address(source: str) -> bool:
    """Whether it is fetched over HTTP rather than opened."""
    return source.startswith(("http://", "https://"))


def fetch(url: str, *, time_box_s: float = TIME_BOX_S) -> bytes:
    """The document behind an address, at most `MAX_BYTES`.

    Raises:
        FeedStalled: nobody answered in time, or not with a document; trying later may help.
        TapeRefused: it is too large.
    """
    asked = urllib.request.Request(url, headers={"User-Agent": "decot", "Accept": "application/rss+xml, */*"})
    until = clock.stopwatch() + time_box_s
    try:
        with urllib.request.urlopen(asked, timeout=time_box_s) as answer:
            parts, size = [], 0
            while piece := answer.read1(65_536):
                parts.append(piece)
                size += len(piece)
                if size > MAX_BYTES:
                    raise TapeRefused(url, f"more than {MAX_BYTES} bytes", "fetch a shorter feed")
                if clock.stopwatch() > until:
                    raise FeedStalled(f"{url}: not read within {time_box_s:g} s; try again, or another feed")
            return b"".join(parts)
    except urllib.error.HTTPError as refused:
        raise FeedStalled(f"{url}: the server says {refused.code}; check the address") from refused
    except OSError as away:
        raise FeedStalled(f"{url}: nobody answered ({away}); check the address, or try later") from away


def read_source(source: str, cfg: HeadlinesConfig | None = None) -> tuple[HeadlinesRead, int]:
    """The headlines of an address or a file as they are now, and the moment they were had (ms)."""
    if is_address(source):
        document = fetch(source)
        now = clock.now_us() // 1_000
        return settle([from_feed(item, now) for item in parse_feed(document, source)], cfg), now
    now = clock.now_us() // 1_000
    return read_headlines(Path(source), cfg, fetched_ms=now), now


def collect(source: str, to: Path, cfg: HeadlinesConfig | None = None) -> Collected:
    """Add what is new in `source` to the JSONL file `to`, whole or not at all.

    Raises:
        FeedStalled, TapeRefused: as `fetch`, `parse_feed` and `read_headlines`; the file is left as it was.
    """
    read, now = read_source(source, cfg)
    had = read_headlines(to, cfg).frame.to_dicts() if to.is_file() else []
    known = {(row["published_ms"], clean(row["text"])) for row in had}
    new = [row for row in read.frame.to_dicts() if (row["published_ms"], row["text"]) not in known]
    both = settle([*had, *new], cfg).frame
    draft = to.with_name(f".{to.name}.{os.getpid()}.part")
    to.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in both.to_dicts()), "utf-8")
    os.replace(draft, to)
    n_new = both.height - len(had)
    return Collected(n_new, both.height, read.n_read - read.n_empty - n_new, now)
