"""How fast features are made, beside TA-Lib with polars, pandas-ta-classic and talipp, all in one run on one core.

    python -m benchmarks.features [--json] [--rows 1000000 10000000]

Like for like: RSI 14, MACD 12/26/9, EMA 9 and 21, SMA 50, Bollinger 20 × 2, ATR 14 and ADX 14 of the same random walk,
from a polars frame of high, low and close to a polars frame of the ten columns; arrays are wrapped, not copied, on both
sides. Ours is the code that fills those columns in the base table, alone. Who allocates: TA-Lib and pandas-ta-classic make
new arrays at every call and cannot do otherwise. Ours writes into one buffer that is used again, as over many days (`ten`;
the ratios `ta-lib` and `pandas-ta-classic`), or makes new arrays as they do (`ten_fresh`; the ratios that end in `both
allocating`). The builds of all 41 columns (with the targets) and of the kernel's 66 are timed too, allocating, and have no
peer; beyond a million rows they run in stretches of a million with the state carried on, so that memory stays bounded.
pandas-ta-classic is timed with its own formulas, on at most a million rows; with TA-Lib inside it is TA-Lib, and that ratio
is given apart. `ours`, `peers` and `ratios` are of the first row count; `by_rows` has all of them.

Per tick: `Stream.step` makes all 66 columns; TA-Lib's stream functions and talipp make the ten. Rates are per CPU-second.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
import polars as pl
import pyarrow as pa

from decot.features.batch import compute, indicators
from decot.features.config import FeatureConfig
from decot.features.kernel import BAR_INPUTS, BASE_OUT, fresh_state
from decot.features.stream import Stream
from decot.features.table import base_table
from schemas.columns import INDICATORS

STRETCH = 1_000_000
"""rows of one frame of bars; a longer build goes on with the state of the stretch before"""
TARGETS = {"pandas-ta-classic": 100.0, "ta-lib": 2.0, "tick_us": 5.0, "peak_memory_gb": 8.0}
TRAILING = 200
"""bars that TA-Lib's stream functions are given at each tick"""


def made_prices(rows: int, seed: int = 0) -> pl.DataFrame:
    """Open, high, low and close of a random walk."""
    rng = np.random.default_rng(seed)
    close = 90_000 * np.exp(np.cumsum(rng.normal(size=rows)) * 1e-4)
    op = np.concatenate([close[:1], close[:-1]])
    reach = np.abs(rng.normal(size=rows)) * 5e-5 * close
    high, low = np.maximum(op, close) + reach, np.minimum(op, close) - reach
    return pl.DataFrame({"open": op, "high": high, "low": low, "close": close})


def made_bars(prices: pl.DataFrame, first: int = 0) -> pl.DataFrame:
    """The bars of such prices, one a second from bar number `first` on, with sizes, trades and flow."""
    rows, rng = prices.height, np.random.default_rng(first)
    close = prices["close"].to_numpy()
    volume = rng.exponential(size=rows)
    buy = volume * rng.random(rows)
    columns: dict[str, Any] = {
        "timestamp": 1_767_571_200_000 + 1_000 * np.arange(first + 1, first + rows + 1),
        **{name: prices[name] for name in ("open", "high", "low", "close")},
        "price": close,
        "volume": volume,
        "buy_volume": buy,
        "sell_volume": volume - buy,
        "n_trades": np.ones(rows),
        "vwap": close,
        "bid_price": close * (1 - 1e-6),
        "ask_price": close * (1 + 1e-6),
    }
    columns |= {
        name: rng.random(rows) + 0.1 for name in BAR_INPUTS if "_volume" in name and name not in columns
    }
    return pl.DataFrame(columns | {name: np.ones(rows) for name in BAR_INPUTS if name not in columns})


def cpu_seconds(work: Callable[[], Any], rounds: int = 5) -> float:
    """Median CPU time of a piece of work; warmed up once when it runs more than once."""
    if rounds > 1:
        work()
    found = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        found.append(time.process_time() - before)
    return statistics.median(found)


def ours_ten(bars: pl.DataFrame, out: np.ndarray | None = None) -> pl.DataFrame:
    """Our ten columns."""
    found = indicators(bars, out)
    return framed({name: found[:, k] for k, name in enumerate(INDICATORS)})


def framed(columns: dict[str, np.ndarray]) -> pl.DataFrame:
    """Arrays as a polars frame without copying them, for ours and TA-Lib alike."""
    frame = pl.from_arrow(pa.table({name: pa.array(values) for name, values in columns.items()}))
    assert isinstance(frame, pl.DataFrame)
    return frame


def talib_ten(bars: pl.DataFrame) -> pl.DataFrame:
    """TA-Lib's ten columns."""
    import talib

    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    macd, signal, _ = talib.MACD(close, 12, 26, 9)
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    return framed(
        {
            "rsi_14": talib.RSI(close, 14),
            "macd": macd,
            "macd_signal": signal,
            "ema_9": talib.EMA(close, 9),
            "ema_21": talib.EMA(close, 21),
            "sma_50": talib.SMA(close, 50),
            "bollinger_upper": upper,
            "bollinger_lower": lower,
            "atr_14": talib.ATR(high, low, close, 14),
            "adx": talib.ADX(high, low, close, 14),
        }
    )


def stretches(prices: pl.DataFrame, build: Callable[[pl.DataFrame, np.ndarray], Any]) -> float:
    """CPU time of a build, stretch after stretch with one state; making the bars is not counted."""
    spent, state = 0.0, fresh_state()
    for first in range(0, prices.height, STRETCH):
        bars = made_bars(prices[first : first + STRETCH], first)
        before = time.process_time()
        build(bars, state)
        spent += time.process_time() - before
    return spent


def measure_ours(prices: pl.DataFrame) -> dict[str, float]:
    """Rows per CPU-second of the ten, the 41 and the 66 columns, and microseconds per tick."""
    rows = prices.height
    rounds = 5 if rows <= 2_000_000 else 3
    cfg = FeatureConfig()
    buffer = np.zeros((10, rows))
    out = {"ten_rows_per_s": rows / cpu_seconds(lambda: ours_ten(prices, buffer), rounds)}
    out["ten_fresh_rows_per_s"] = rows / cpu_seconds(lambda: ours_ten(prices), rounds)

    def base(bars: pl.DataFrame, state: np.ndarray) -> pl.DataFrame:
        return base_table(bars, cfg, matrix=compute(bars, cfg, state=state, n_columns=len(BASE_OUT)))

    def kernel(bars: pl.DataFrame, state: np.ndarray) -> np.ndarray:
        return compute(bars, cfg, state=state)

    for name, build in (("base_41", base), ("kernel_66", kernel)):
        stretches(prices[:STRETCH], build)
        times = [stretches(prices, build) for _ in range(rounds if rows <= STRETCH else 1)]
        out[f"{name}_rows_per_s"] = rows / statistics.median(times)
    bars = made_bars(prices[:20_000])
    ticks, stamps = bars.select(BAR_INPUTS).cast(pl.Float64).to_numpy(), bars["timestamp"].to_list()

    def every_tick() -> None:
        stream = Stream(cfg)
        for ms, row in zip(stamps, ticks):
            stream.step(ms, row)

    out["tick_us"] = cpu_seconds(every_tick, 3) / len(stamps) * 1e6
    out["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return out


def measure_talib(bars: pl.DataFrame) -> dict[str, float]:
    """The same ten, and its stream functions on the trailing 200 bars."""
    from talib import stream

    rounds = 5 if bars.height <= 2_000_000 else 3
    out = {"ten_rows_per_s": bars.height / cpu_seconds(lambda: talib_ten(bars), rounds)}
    high, low, close = (bars[name][:3_200].to_numpy() for name in ("high", "low", "close"))

    def every_tick() -> None:
        for t in range(TRAILING, 3_200):
            h, w, c = high[t - TRAILING : t], low[t - TRAILING : t], close[t - TRAILING : t]
            stream.RSI(c, 14)
            stream.MACD(c, 12, 26, 9)
            stream.EMA(c, 9)
            stream.EMA(c, 21)
            stream.SMA(c, 50)
            stream.BBANDS(c, 20, 2, 2)
            stream.ATR(h, w, c, 14)
            stream.ADX(h, w, c, 14)

    out["tick_us"] = cpu_seconds(every_tick, 3) / 3_000 * 1e6
    return out


def measure_pandas_ta(bars: pl.DataFrame) -> dict[str, float]:
    """The same ten on at most a million rows, once with TA-Lib inside (its default) and once without."""
    import pandas as pd
    import pandas_ta_classic as ta

    part = bars[:1_000_000]
    frame = pd.DataFrame({name: part[name].to_numpy().copy() for name in ("high", "low", "close")})
    high, low, close = frame["high"], frame["low"], frame["close"]

    def ten(inside: bool) -> None:
        ta.rsi(close, 14, talib=inside)
        ta.macd(close, 12, 26, 9, talib=inside)
        ta.ema(close, 9, talib=inside)
        ta.ema(close, 21, talib=inside)
        ta.sma(close, 50, talib=inside)
        ta.bbands(close, 20, 2, talib=inside)
        ta.atr(high, low, close, 14, talib=inside)
        ta.adx(high, low, close, 14, talib=inside)

    seconds = {inside: cpu_seconds(lambda inside=inside: ten(inside), 1) for inside in (True, False)}
    return {
        "ten_rows_per_s": part.height / seconds[False],
        "with_ta_lib_rows_per_s": part.height / seconds[True],
        "rows": float(part.height),
    }


def measure_talipp(bars: pl.DataFrame) -> dict[str, float]:
    """Its ten incremental indicators, tick by tick."""
    from talipp.indicators import ADX, ATR, BB, EMA, MACD, RSI, SMA
    from talipp.ohlcv import OHLCV

    part = bars[:5_000]
    candles = [OHLCV(*row, 1.0) for row in part.select("open", "high", "low", "close").iter_rows()]

    def every_tick() -> None:
        on_close = [RSI(14), MACD(12, 26, 9), EMA(9), EMA(21), SMA(50), BB(20, 2)]
        on_candle = [ATR(14), ADX(14, 14)]
        for candle in candles:
            for one in on_close:
                one.add(candle.close)
            for one in on_candle:
                one.add(candle)

    return {"tick_us": cpu_seconds(every_tick, 2) / part.height * 1e6}


def measure(rows: int) -> dict[str, Any]:
    """Ours and every peer that is installed, on so many rows."""
    prices = made_prices(rows)
    print(f"ours on {rows:,} rows ...", file=sys.stderr)
    ours = measure_ours(prices)
    peers: dict[str, dict[str, float]] = {}
    skipped = []
    for name, module, measured in (
        ("ta-lib", "talib", measure_talib),
        ("pandas-ta-classic", "pandas_ta_classic", measure_pandas_ta),
        ("talipp", "talipp", measure_talipp),
    ):
        if importlib.util.find_spec(module) is None:
            skipped.append(name)
            print(f"{name} is not installed: skipped", file=sys.stderr)
            continue
        if rows > STRETCH and name != "ta-lib":
            continue  # they do not get faster with rows, and take minutes
        print(f"{name} ...", file=sys.stderr)
        peers[name] = measured(prices)
    ratios = {}
    for name, peer in peers.items():
        if "ten_rows_per_s" in peer:
            ratios[name] = ours["ten_rows_per_s"] / peer["ten_rows_per_s"]
            ratios[f"{name}, both allocating"] = ours["ten_fresh_rows_per_s"] / peer["ten_rows_per_s"]
        if "with_ta_lib_rows_per_s" in peer:
            ratios[f"{name} with ta-lib inside"] = ours["ten_rows_per_s"] / peer["with_ta_lib_rows_per_s"]
        if "tick_us" in peer:
            ratios[f"{name} per tick"] = peer["tick_us"] / ours["tick_us"]
    for side, figures in {"ours": ours, **peers, "times faster": ratios}.items():
        told = ", ".join(f"{key} {value:,.4g}" for key, value in figures.items())
        print(f"{side}: {told}", file=sys.stderr)
    return {"rows": rows, "ours": ours, "peers": peers, "ratios": ratios, "skipped": skipped}


def is_met(found: dict[str, Any]) -> bool:
    """Every target of one row count that was measured on it."""
    ours, ratios = found["ours"], found["ratios"]
    return all(ours[name] <= TARGETS[name] for name in ("tick_us", "peak_memory_gb")) and all(
        ratios[name] >= TARGETS[name] for name in ("ta-lib", "pandas-ta-classic") if name in ratios
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="last line of stdout is one JSON object")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    args = parser.parse_args(argv)
    found = [measure(rows) for rows in args.rows]
    result = {
        "name": "features",
        **found[0],
        "targets": TARGETS,
        "met": all(is_met(one) for one in found),
        "by_rows": {str(one["rows"]): one for one in found},
    }
    if args.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
