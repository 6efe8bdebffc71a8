"""Made-up markets with a known right answer: book, trades and headlines. Knows nothing of who will trade them.

A hidden signal s (AR(1), unit variance) shows, under noise, in the book's size imbalance at 1, 5 and 20 levels
and in the sides of trades; it pushes the mid by `edge_bps_s`·s every second. A slower drift does the same,
weakly, and tilts the tone of headlines. `no-edge` draws the very same numbers and sets both pushes to zero:
what can be seen is the same, what can be earned is nothing. Days share no state but the price.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from decot.data.headlines import write_headlines
from decot.data.tape import BOOK, TRADES, RawTape
from decot.errors import ConfigError

KINDS: Final = ("planted-edge", "no-edge", "regimes", "crash")
FIRST_DAY: Final = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp()) * 1_000_000
_DAY_US: Final = 86_400_000_000
_LN2: Final = 0.6931471805599453


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """One made-up market; the same configuration makes the same tape."""

    kind: str = "planted-edge"
    """planted-edge, no-edge, regimes (three clear volatilities) or crash (three accidents a day)"""
    seed: int = 7
    days: int = 2
    seconds_per_day: int = 14_400
    """each day starts at 00:00 UTC and is this long"""
    price: float = 90_000.0
    tick: float = 0.1
    quote_ms: float = 250.0
    """mean time between two book updates"""
    edge_bps_s: float = 0.25
    """push of one standard deviation of the signal on the mid, basis points per second"""
    half_life_s: float = 45.0
    """of the hidden signal"""
    noise_bps: float = 0.9
    """standard deviation of the unpredictable move of the mid, basis points per √second"""
    drift_bps_s: float = 0.01
    """push of one standard deviation of the slow drift, basis points per second"""
    drift_half_life_s: float = 1_500.0
    seen: tuple[float, float, float] = (0.45, 0.5, 0.4)
    """weight of the signal in the log-odds of bid size at 1, 5 and 20 levels"""
    blur: tuple[float, float, float] = (0.9, 0.8, 0.6)
    """standard deviation of the noise beside it"""
    blur_half_life_s: float = 1.5
    flow_tilt: float = 0.8
    """log-odds that a trade is a buy, per standard deviation of the signal"""
    trades_per_s: float = 2.0
    spread_bps: float = 0.3
    """median; most spreads lie between 0.1 and 1"""
    delay_ms: tuple[float, float] = (100.0, 400.0)
    """smallest and usual largest time from the exchange to here"""
    headlines_per_day: float = 36.0
    tone_agrees: float = 0.68
    """how often a headline's tone has the sign of the slow drift"""

    def faults(self) -> list[str]:
        """Every fault of the configuration, in words."""
        found = []
        if self.kind not in KINDS:
            found.append(f"world kind is {self.kind!r}; choose one of {', '.join(KINDS)}")
        if self.days < 1 or not 60 <= self.seconds_per_day <= 86_400:
            found.append(
                f"{self.days} day(s) of {self.seconds_per_day} s; at least 1 day and 60 to 86,400 seconds each"
            )
        if self.price <= 0 or self.tick <= 0 or self.quote_ms < 1 or self.half_life_s <= 0:
            found.append("price, tick, quote_ms and half_life_s must be positive")
        return found


@njit(cache=True)
def _ar1(dt: Any, half_life: float, noise: Any, out: Any) -> None:
    """An AR(1) of unit variance at irregular times; out[0] is drawn from its stationary law."""
    out[0] = noise[0]
    for t in range(1, len(dt)):
        phi = np.exp(-_LN2 * dt[t] / half_life)
        out[t] = phi * out[t - 1] + np.sqrt(1.0 - phi * phi) * noise[t]


@njit(cache=True)
def _regime_path(dt: Any, dwell_s: float, stay: Any, where: Any, out: Any) -> None:
    """A three-state chain that leaves a state after `dwell_s` on average."""
    out[0] = int(where[0] * 3.0)
    for t in range(1, len(dt)):
        out[t] = out[t - 1]
        if stay[t] < dt[t] / dwell_s:
            out[t] = (out[t - 1] + 1 + int(where[t] * 2.0)) % 3


def _accidents(cfg: WorldConfig, start_us: int) -> list[dict[str, Any]]:
    """What happens when in a `crash` day, on the exchange clock."""

    def at(share: float, seconds: float) -> tuple[int, int]:
        begin = start_us + int(share * cfg.seconds_per_day * 1e6)
        return begin, begin + int(seconds * 1e6)

    if cfg.kind != "crash":
        return []
    events = []
    for name, share, seconds in (("flash-crash", 0.35, 140.0), ("gap", 0.55, 30.0), ("spread", 0.75, 60.0)):
        begin, end = at(share, seconds)
        events.append({"kind": name, "start_us": begin, "end_us": end})
    return events


def _crash_push(ts: NDArray[np.int64], events: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Log-price added by accidents: −300 bps in 20 s of which half returns in 120 s; a jump of +80 bps."""
    push = np.zeros(len(ts))
    for event in events:
        since = (ts - event["start_us"]) / 1e6
        if event["kind"] == "flash-crash":
            push += -0.03 * np.clip(since / 20.0, 0, 1) + 0.015 * np.clip((since - 20.0) / 120.0, 0, 1)
        elif event["kind"] == "gap":
            push += 0.008 * (ts >= event["end_us"])
    return push


def _during(ts: NDArray[np.int64], events: list[dict[str, Any]], kind: str) -> NDArray[np.bool_]:
    inside = np.zeros(len(ts), bool)
    for event in events:
        if event["kind"] == kind:
            inside |= (ts >= event["start_us"]) & (ts < event["end_us"])
    return inside


def _logistic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-x))


def _day(cfg: WorldConfig, number: int, log_price: float) -> dict[str, Any]:
    """Everything of one day, as arrays; `log_mid` ends where the next day begins."""
    rng = np.random.default_rng([cfg.seed, number])
    start = FIRST_DAY + number * _DAY_US
    n = int(cfg.seconds_per_day * 1_000 / cfg.quote_ms)
    gaps = cfg.quote_ms / 1_000 * (0.6 + 0.8 * rng.random(n))
    gaps *= (cfg.seconds_per_day - 1.0) / gaps.sum()
    ts = start + np.round(np.cumsum(gaps) * 1e6).astype(np.int64)
    events = _accidents(cfg, start)

    draws = rng.standard_normal((9, n))
    chance = rng.random((2, n))
    signal, drift, spread_walk, delay_walk = (np.empty(n) for _ in range(4))
    _ar1(gaps, cfg.half_life_s, draws[0], signal)
    _ar1(gaps, cfg.drift_half_life_s, draws[1], drift)
    _ar1(gaps, 20.0, draws[2], spread_walk)
    _ar1(gaps, 5.0, draws[3], delay_walk)
    regime = np.empty(n, np.int64)
    _regime_path(gaps, 900.0, chance[0], chance[1], regime)
    loudness = np.array([0.4, 1.0, 2.5] if cfg.kind == "regimes" else [0.75, 1.0, 1.35])[regime]

    push = 0.0 if cfg.kind == "no-edge" else 1.0
    known = push * (cfg.edge_bps_s * signal + cfg.drift_bps_s * drift) * gaps
    moves = 1e-4 * (known + cfg.noise_bps * loudness * np.sqrt(gaps) * draws[4])
    log_mid = log_price + np.concatenate([[0.0], np.cumsum(moves)[:-1]]) + _crash_push(ts, events)

    spread = cfg.spread_bps * np.exp(0.45 * spread_walk) * loudness**0.5
    depth = np.exp(0.35 * draws[8])
    blown = _during(ts, events, "spread") | _during(ts, events, "flash-crash")
    spread, depth = np.where(blown, 30.0 * spread, spread), np.where(blown, 0.1 * depth, depth)
    half = np.maximum(0.5e-4 * spread * np.exp(log_mid), 0.5 * cfg.tick)
    bid = np.floor((np.exp(log_mid) - half) / cfg.tick + 0.5)
    ask = np.maximum(np.floor((np.exp(log_mid) + half) / cfg.tick + 0.5), bid + 1)
    decimals = max(0, int(np.ceil(-np.log10(cfg.tick))))

    sides = {}
    below_bid = below_ask = np.zeros(n)
    for k, (size, label) in enumerate(((0.6, ""), (5.0, "_5"), (30.0, "_20"))):
        blur = np.empty(n)
        _ar1(gaps, cfg.blur_half_life_s, draws[5 + k], blur)
        share = _logistic(cfg.seen[k] * signal + cfg.blur[k] * blur)
        below_bid = np.maximum(np.round(size * depth * share, 4), below_bid + 1e-4)
        below_ask = np.maximum(np.round(size * depth * (1 - share), 4), below_ask + 1e-4)
        sides[f"bid_qty{label}"], sides[f"ask_qty{label}"] = np.round(below_bid, 4), np.round(below_ask, 4)

    low, high = cfg.delay_ms
    delay = low + (high - low) * _logistic(1.5 * delay_walk - 0.6)
    recv = np.maximum.accumulate(ts + np.round(delay * 1_000).astype(np.int64))
    shown = ~_during(ts, events, "gap")
    quotes = {
        "ts_us": ts,
        "recv_us": recv,
        "bid": np.round(bid * cfg.tick, decimals),
        "ask": np.round(ask * cfg.tick, decimals),
        **sides,
    }
    return {
        **{"start": start, "events": events, "shown": shown, "quotes": quotes, "delay": delay, "rng": rng},
        **{"signal": signal, "drift": drift, "regime": regime, "log_mid": log_mid, "loudness": loudness},
        "log_end": float(log_mid[-1] + moves[-1]),
    }


def _trades(cfg: WorldConfig, day: dict[str, Any], first_id: int) -> dict[str, Any]:
    """Poisson trades at the touch, leaning to the side of the signal."""
    rng, quotes = day["rng"], day["quotes"]
    n = int(rng.poisson(cfg.trades_per_s * cfg.seconds_per_day))
    when = np.sort(rng.random(n)) * (cfg.seconds_per_day - 1.5)
    ts = day["start"] + 500_000 + np.round(when * 1e6).astype(np.int64)
    at = np.maximum(np.searchsorted(quotes["ts_us"], ts, side="right") - 1, 0)
    side = np.where(rng.random(n) < _logistic(cfg.flow_tilt * day["signal"][at]), 1, -1)
    quantity = np.maximum(np.round(0.01 * np.exp(1.1 * rng.standard_normal(n)), 4), 1e-4)
    keep = day["shown"][at] & (rng.random(n) < day["loudness"][at] / day["loudness"].max())
    recv = np.maximum.accumulate(ts + np.round(day["delay"][at] * 1_000).astype(np.int64))
    columns = {
        "ts_us": ts,
        "recv_us": recv,
        "price": np.where(side > 0, quotes["ask"][at], quotes["bid"][at]),
        "quantity": quantity,
        "side": side.astype(np.int8),
    }
    kept = {name: column[keep] for name, column in columns.items()}
    return {**kept, "trade_id": first_id + np.arange(int(keep.sum()))}


def _days(cfg: WorldConfig) -> list[dict[str, Any]]:
    if found := cfg.faults():
        raise ConfigError(found)
    days, log_price = [], float(np.log(cfg.price))
    for number in range(cfg.days):
        days.append(_day(cfg, number, log_price))
        log_price = days[-1]["log_end"]
    return days


def make_world(cfg: WorldConfig) -> RawTape:
    """The market of `cfg` as a tape; the same configuration gives the same tape to the bit.

    Raises:
        ConfigError: with every fault of the configuration.
    """
    books, trades, news, n_trades = [], [], [], 1
    days = _days(cfg)
    for day in days:
        books.append(pl.DataFrame({k: v[day["shown"]] for k, v in day["quotes"].items()}))
        trades.append(pl.DataFrame(_trades(cfg, day, n_trades)))
        n_trades += trades[-1].height
        ts = day["quotes"]["ts_us"]
        news.append(write_headlines(day["rng"], ts, day["drift"], cfg.headlines_per_day, cfg.tone_agrees))
    return RawTape(
        symbol="BTC-USD",
        venue="world",
        trades=pl.concat(trades).select(pl.col(name).cast(dtype) for name, dtype in TRADES.items()),
        book=pl.concat(books).select(pl.col(name).cast(dtype) for name, dtype in BOOK.items()),
        candles=None,
        headlines=pl.concat(news),
        meta={
            **{
                "layout": "world",
                "kind": cfg.kind,
                "seed": cfg.seed,
                "depth_known": True,
                "side_known": True,
            },
            **{"ts_estimated": False, "tick": cfg.tick, "files": [], "locked_share": 0.0},
            "events": [event for day in days for event in day["events"]],
        },
    )


def world_truth(cfg: WorldConfig) -> dict[str, NDArray[Any]]:
    """What no agent may see, one row per book update made (also those a gap swallowed).

    Returns:
        ts_us, recv_us, signal, drift (unit variance), regime (0 calm … 2 loud), mid (before rounding), shown.
    """
    days = _days(cfg)
    parts = {
        **{name: [day["quotes"][name] for day in days] for name in ("ts_us", "recv_us")},
        **{name: [day[name] for day in days] for name in ("signal", "drift", "regime", "shown")},
        "mid": [np.exp(day["log_mid"]) for day in days],
    }
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}
