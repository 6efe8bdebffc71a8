"""Ladders as a tape has recorded them: whole ones and changes, in order of arrival. Knows the files, no venue.

Where they lie, by the layout of the tape:
    standx        l2_20_<day>: a whole ladder of 20 levels about every 330 ms
    binance-ws    raw/<market>_<symbol>_<day>.jsonl*: the depth diffs themselves, on a snapshot asked for by REST
    recorded frames: the same lines, in the tape's own files
    aster, hyperliquid, bitmex: whole ladders of 10, 20 and 10 levels
Everything else has no depth, and neither has the time outside `spans`: nothing is made up here.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from decot.data import reading
from decot.data.frames import read_lines
from decot.data.layouts import siblings
from decot.data.tape import RawTape

Level = tuple[float, float]
"""price, quantity; quantity 0 takes the level away"""
Sides = tuple[list[Level], list[Level]]
"""bids and asks"""

GAP_US: Final = 60_000_000
"""whole ladders further apart than this are different stretches"""
HOLD_US: Final = 1_000_000
"""so long a ladder is believed after its last word"""
EARLY: Final = 1_000
"""diffs kept while waiting for a snapshot"""
_FRAMES: Final = re.compile(r"((?:spot|usdm|cm)_[a-z0-9_]+?)_(\d{8})\.jsonl(\.zst|\.gz)?")
_SESSION: Final = re.compile(r"(.+)_(\d{6})(\d{2})-(\d{2})")


@dataclass(frozen=True, slots=True)
class Depth:
    """The recorded ladder of one market, event by event."""

    at_us: np.ndarray
    """(N,) when each event reached the recorder, never going back"""
    ts_us: np.ndarray
    """(N,) the venue's time of it"""
    update: np.ndarray
    """(N,) the venue's number of its last update; 0 where it gives none"""
    is_whole: np.ndarray
    """(N,) a whole ladder; otherwise changes to the ladder before"""
    read: Callable[[int], Sides]
    """the levels of an event, best first where it is whole"""
    spans: tuple[tuple[int, int], ...]
    """stretches of arrival [from, to) in which the ladder is known"""

    def __len__(self) -> int:
        return len(self.at_us)


def open_depth(path: Path | str, tape: RawTape) -> Depth | None:
    """The ladders recorded beside a tape opened from `path`; None when there are none."""
    path = Path(path)
    folder, layout = (path if path.is_dir() else path.parent), tape.meta.get("layout")
    if layout == "standx":
        return _standx(folder, tape)
    if layout == "binance-ws":
        return _session(folder / "raw", str(tape.meta["session"]))
    if layout == "binance-frames":
        return _frames([folder / name for name in tape.meta["files"]])
    names, prices, levels = {
        "aster": (f"orderbook_{tape.symbol}", ("{side}_price_{k}", "{side}_qty_{k}"), 10),
        "hyperliquid": (
            f"orderbooks_{tape.symbol.split('-')[0]}",
            ("{side}_price_{k}", "{side}_size_{k}"),
            20,
        ),
        "bitmex": (r"l2_10_\d{4}-\d{2}-\d{2}", ("{side}_px_{k}", "{side}_qty_{k}"), 10),
    }.get(str(layout), ("", ("", ""), 0))
    if not names:
        return None
    files = [file for file, _ in siblings(folder, re.compile(rf"(?:{names})\.(?:parquet|csv|jsonl)"))]
    kept = [file for file in files if file.name in tape.meta["files"]]
    return _wide(kept, tape, *prices, levels) if kept else None


def of_ladders(at_us: np.ndarray, ts_us: np.ndarray, read: Callable[[int], Sides]) -> Depth:
    """Depth of whole ladders without numbers, known until the next one unless that is long in coming."""
    breaks = np.flatnonzero(np.diff(at_us) > GAP_US) + 1
    ends = [0, *breaks.tolist(), len(at_us)]
    spans = tuple((int(at_us[a]), int(at_us[b - 1]) + HOLD_US) for a, b in pairwise(ends))
    none, whole = np.zeros(len(at_us), np.int64), np.ones(len(at_us), bool)
    return Depth(at_us, ts_us, none, whole, read, spans)


# Whole ladders ----------------------------------------------------------------------------------------


def _standx(folder: Path, tape: RawTape) -> Depth | None:
    days = {name[4:14] for name in tape.meta["files"] if name.startswith("bbo_")}
    found = siblings(folder, re.compile(r"l2_20_(\d{4}-\d{2}-\d{2})\.parquet"))
    files = [file for file, match in found if match[1] in days]
    if not files:
        return None
    columns = ("ts_us", "recv_us", "bid_px_x10", "bid_qty_x1e4", "ask_px_x10", "ask_qty_x1e4")
    frames = []
    for file in files:
        frames.append(pl.read_parquet(file, columns=list(columns)))
        for clock in ("ts_us", "recv_us"):
            reading.demand_time(frames[-1], clock, file.name)
    frame = pl.concat(frames)
    packed = {
        name: (frame[name].explode().to_numpy(), frame[name].list.len().cum_sum().to_numpy())
        for name in columns[2:]
    }

    def side(name: str, k: int) -> list[Level]:
        (prices, ends), (sizes, _) = packed[f"{name}_px_x10"], packed[f"{name}_qty_x1e4"]
        part = slice(int(ends[k - 1]) if k else 0, int(ends[k]))
        return _levels(prices[part] / 10, sizes[part] / 1e4)

    return of_ladders(
        frame["recv_us"].to_numpy(), frame["ts_us"].to_numpy(), lambda k: (side("bid", k), side("ask", k))
    )


def _wide(files: list[Path], tape: RawTape, price: str, size: str, levels: int) -> Depth:
    """One column per level and side."""
    names = {
        side: [[part.format(side=side, k=k) for k in range(levels)] for part in (price, size)]
        for side in ("bid", "ask")
    }
    frame = pl.concat([reading.read_any(file) for file in files])
    if "symbol" in frame.columns:
        frame = frame.filter(pl.col("symbol") == tape.symbol)
    frame = frame.sort("ts_us", maintain_order=True)
    ladders = {
        side: [frame.select(columns).cast(pl.Float64).to_numpy() for columns in both]
        for side, both in names.items()
    }

    def side(name: str, k: int) -> list[Level]:
        prices, sizes = ladders[name]
        return _levels(prices[k], sizes[k])

    ts_us = frame["ts_us"].to_numpy()
    at_us = frame["recv_us"].to_numpy() if "recv_us" in frame.columns else ts_us
    return of_ladders(np.maximum.accumulate(at_us), ts_us, lambda k: (side("bid", k), side("ask", k)))


def _levels(prices: np.ndarray, sizes: np.ndarray) -> list[Level]:
    return [(p, q) for p, q in zip(prices.tolist(), sizes.tolist()) if p > 0 and q > 0]


# Diffs on a snapshot ----------------------------------------------------------------------------------


def _session(folder: Path, session: str) -> Depth | None:
    """The raw lines of a session such as spot_btcusdt_20240808-09, of all its days that are there."""
    asked = _SESSION.fullmatch(session)
    if asked is None or not folder.is_dir():
        return None
    first, last = f"{asked[2]}{asked[3]}", f"{asked[2]}{asked[4]}"
    found = siblings(folder, _FRAMES)
    files = sorted((m[2], file) for file, m in found if m[1] == asked[1] and first <= m[2] <= last)
    return _frames([file for _, file in files]) if files else None


def _frames(files: list[Path]) -> Depth | None:
    """Diffs on a snapshot; a break in their numbers ends the stretch until the next snapshot.

    A snapshot is older than the last diffs before its arrival; those that are newer than it come with it.
    """
    events: list[tuple[int, int, int, bool, Sides]] = []
    spans: list[list[int]] = []
    early: deque[dict[str, Any]] = deque(maxlen=EARLY)
    chain, known = -1, -1  # last update of the last diff; last update in the ladder, −1 while there is none

    def take(at_us: int, data: dict[str, Any]) -> None:
        events.append((at_us, int(data["E"]) * 1000, int(data["u"]), False, _sides(data)))
        spans[-1][1] = at_us + HOLD_US

    for at_us, data in _messages(files):
        if "lastUpdateId" in data:
            newer = [diff for diff in early if int(diff["u"]) > int(data["lastUpdateId"])]
            if known < 0 and not (newer and _begin(newer[0]) > int(data["lastUpdateId"])):
                known = int(data["lastUpdateId"])
                events.append((at_us, int(data.get("E", 0)) * 1000 or at_us, known, True, _sides(data)))
                spans.append([at_us, at_us + HOLD_US])
                for diff in newer:
                    take(at_us, diff)
                    known = int(diff["u"])
            continue
        is_broken = chain >= 0 and _begin(data) != chain
        chain = int(data["u"])
        if is_broken or (known >= 0 and _begin(data) > known):
            known = -1
            early.clear()
        if known < 0:
            early.append(data)
        elif chain > known:
            take(at_us, data)
            known = chain
    if not events:
        return None
    at, ts, update, whole, sides = zip(*events)
    return Depth(
        np.maximum.accumulate(np.array(at, np.int64)),
        np.array(ts, np.int64),
        np.array(update, np.int64),
        np.array(whole, bool),
        lambda k: sides[k],
        tuple((a, b) for a, b in spans),
    )


def _begin(diff: dict[str, Any]) -> int:
    """The update a diff builds on."""
    return int(diff.get("pu", int(diff["U"]) - 1))


def _messages(files: list[Path]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Depth diffs and snapshots of recorded lines, with the local time in µs."""
    for file in files:
        for line in read_lines(file):
            stamp, _, text = line.partition(b" ")
            if b'"depthUpdate"' in text or b'"lastUpdateId"' in text:
                message = json.loads(text)
                yield int(stamp) // 1000, message.get("data", message)


def _sides(data: dict[str, Any]) -> Sides:
    bids, asks = (
        [(float(level[0]), float(level[1])) for level in data.get(long, data.get(short, ()))]
        for long, short in (("bids", "b"), ("asks", "a"))
    )
    return bids, asks
