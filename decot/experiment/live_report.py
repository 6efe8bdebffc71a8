"""A finished session told: its 41 columns, its replay, its figures. Reads what the session left; starts nothing."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from decot.experiment.again import Life, lives_again
from decot.experiment.config import Experiment
from decot.experiment.place import Place
from decot.experiment.trade import feed_of
from decot.features.kernel import OUT_NAMES
from decot.features.table import base_table
from decot.live.mind import Mind
from decot.live.record import Recorded, read, warm_of
from decot.live.snapshot import read_lines
from decot.live.worker import Bar
from decot.live.worker_parts import Ended
from decot.market.account import Account
from decot.market.rules import VenueRules
from schemas.columns import BASE_COLUMNS, TARGETS, cast_to_schema


def rows_of(recorded: Recorded) -> list[Bar]:
    """Recorded bars as a feed would hand them over."""
    return feed_of(recorded.bars) if len(recorded) else []


def session_table(experiment: Experiment, recorded: Recorded, capital_usdt: float) -> pl.DataFrame:
    """The 41 columns: market columns as the live mind made them, system columns from the account."""
    equity, position = recorded.column("equity_usdt"), recorded.column("position").astype(np.int8)
    peak = np.maximum.accumulate(np.maximum(equity, capital_usdt))
    held = np.r_[np.int8(0), position[:-1]]
    bars = recorded.bars
    around = base_table(bars, replace(experiment.features, clock_ms=experiment.clock_ms))
    market = {name: recorded.kernel[:, k] for k, name in enumerate(OUT_NAMES) if name in BASE_COLUMNS}
    system = {
        "position": position,
        "pnl": np.diff(equity, prepend=capital_usdt),
        "cumulative_pnl": equity - capital_usdt,
        "drawdown": peak - equity,
        "entry_price": recorded.column("entry_price"),
        "exit_signal": ((held != 0) & (position != held)).astype(np.int8),
        "execution_latency": recorded.column("delay_ms"),
    }
    ahead = {name: around[name] for name in TARGETS}
    frame = pl.DataFrame({"timestamp": bars["timestamp"], **market, **ahead, **system})
    return cast_to_schema(frame, BASE_COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What of a session is needed to tell it."""

    session: str
    mode: str
    own: str
    """the market's name in the lake"""
    folder: Path
    certificate: str
    make_mind: Callable[[], Mind]
    rules: VenueRules
    account: Account


def told_of(experiment: Experiment, place: Place, made: Held, ended: Ended) -> dict[str, Any]:
    """The session in figures; its table in the lake, its replay compared."""
    recorded = read(made.folder)
    figures: dict[str, Any] = {
        "session": made.session,
        "mode": made.mode,
        "state": ended.state,
        "why": ended.why,
        "is_flat": bool(ended.flat and ended.flat.is_flat),
        "stop_s": round(ended.stop_s, 4) if math.isfinite(ended.stop_s) else None,
        "bars": len(recorded),
        "certificate": made.certificate,
        "folder": str(made.folder),
    }
    if not len(recorded):
        return {**figures, "card": f"{made.mode} session {made.session}: no bar; {ended.why}"}
    opening = _opening(made.folder)
    capital = opening or float(recorded.column("equity_usdt")[0])
    table = session_table(experiment, recorded, capital)
    ref = place.put("session", table, symbol=made.own)
    fills = read_lines(place.home, made.session, "fills", 1_000_000)
    events = read_lines(place.home, made.session, "events", 1_000_000)
    told = [event["told"] for event in events if "told" in event]
    lives = lives_of(made.folder, made.mode, recorded, events)
    compared = lives_again(made.make_mind, lives, recorded, fills, made.rules, made.account, told=told)
    net = float(recorded.column("equity_usdt")[-1]) - capital
    figures |= {
        "fills": len(fills),
        "net_usdt": round(net, 6),
        "net_bps": round(net / capital * 1e4, 3),
        "capital_usdt": round(capital, 6),
        "table": ref.to_dict(),
        "replay": compared.to_dict(),
    }
    return {**figures, "card": card(figures)}


def lives_of(folder: Path, mode: str, recorded: Recorded, events: list[dict[str, Any]]) -> list[Life]:
    """What each life of the worker began with and whether it left the market by itself."""
    ended = {int(event.get("life", 0)) for event in events if "is_flat" in event}
    desks = _desks(folder) if mode == "paper" else []
    found = []
    for number in recorded.lives():
        mine = recorded.life(number)
        begin, warm = int(mine.column("timestamp")[0]), warm_of(folder, number)
        life = Life(number=number, warm=warm, has_ended=number in ended)
        before = [state for t_ms, state in desks if t_ms < begin]
        if mode == "paper" and before:
            life = replace(life, begins_with=before[-1])
        elif mode != "paper" and number:
            holds = mine.column("held")[0] != 0
            why = "it took over a holding that fills of another life had made" if holds else ""
            life = replace(life, cash_usdt=float(mine.column("equity_usdt")[0]), unlike=why)
        found.append(life)
    return found


def _desks(folder: Path) -> list[tuple[int, np.ndarray]]:
    """The states of the paper desk in the journal, with their times."""
    db = sqlite3.connect(f"file:{folder / 'journal.sqlite'}?mode=ro", uri=True)
    rows = db.execute("SELECT t_ms, payload FROM events WHERE kind = 'desk' ORDER BY seq").fetchall()
    db.close()
    return [(int(t_ms), np.array(json.loads(text)["state"], np.float64)) for t_ms, text in rows]


def _opening(folder: Path) -> float:
    db = sqlite3.connect(f"file:{folder / 'journal.sqlite'}?mode=ro", uri=True)
    row = db.execute("SELECT payload FROM events WHERE kind = 'opening'").fetchone()
    db.close()
    return float(json.loads(row[0])["quote"]) if row else 0.0


def card(figures: dict[str, Any]) -> str:
    """The session in a few lines."""
    lines = [
        f"{figures['mode']} session {figures['session']}: {figures['bars']:,} bars, {figures['fills']} fills, "
        f"{figures['net_usdt']:+.4f} USDT ({figures['net_bps']:+.1f} bps) on {figures['capital_usdt']:g}",
        f"ended {figures['state']}: {figures['why']}; {'flat' if figures['is_flat'] else 'NOT FLAT, look at the account'}",
    ]
    replay = figures["replay"]
    lines.append(
        f"replay: {replay['n_same']:,} of {replay['n_decisions']:,} decisions the same; fills {replay['n_matched']} of "
        f"{replay['n_fills']} as simulated, price error {replay['price_error_bps']:.3f} bps (mean), "
        f"{replay['price_error_max_bps']:.3f} bps (worst), time error {replay['time_error_ms']:.0f} ms (mean)"
    )
    if len(replay["lives"]) > 1 or not replay["covers_all"]:
        lines.append(f"the replay covers {covered(replay)}")
    return "\n".join(lines)


def covered(replay: Mapping[str, Any]) -> str:
    """Which lives of a session were run again, and why the others were not."""
    whole = [str(one["life"]) for one in replay["lives"] if not one["why"]]
    partly = [f"life {one['life']} not whole: {one['why']}" for one in replay["lives"] if one["why"]]
    head = f"{len(whole)} of {len(replay['lives'])} lives ({', '.join(whole) or 'none'})"
    return "; ".join([head, *partly])
