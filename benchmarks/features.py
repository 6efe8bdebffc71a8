"""How fast features are made, beside TA-Lib with polars, pandas-ta-classic and talipp, all in one run on one core.

    python -m benchmarks.features [--json] [--rows 1000000]

Like for like: RSI 14, MACD 12/26/9, EMA 9 and 21, SMA 50, Bollinger 20 × 2, ATR 14 and ADX 14 of the same random walk,
from a polars frame of high, low and close to a polars frame of the ten columns. Ours is the code that fills those
columns in the base table, alone, writing into one buffer that is used again, as over many days; `ten_fresh` allocates a
new one each time, as TA-Lib must. The builds of all 41 columns (with the targets) and of the 66 columns of the kernel are
timed too, and have no peer. pandas-ta-classic is timed with its own formulas, on at most a million rows; with TA-Lib
inside it is TA-Lib, and that ratio is given apart.

Per tick: `Stream.step` makes all 66 columns; TA-Lib's stream functions and talipp make the ten. Rates are per CPU-second.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
import polars as pl

from decot.features.batch import compute, indicators
from decot.features.config import FeatureConfig
from decot.features.kernel import BAR_INPUTS
from decot.features.stream import Stream
from decot.features.table import base_table
from schemas.columns import INDICATORS

TARGETS = {"pandas-ta-classic": 100.0, "ta-lib": 2.0, "tick_us": 5.0}
TRAILING = 200
"""bars that TA-Lib's stream functions are given at each tick"""


def made_bars(rows: int, seed: int = 0) -> pl.DataFrame:
    """Bars of a random walk, one a second, with sizes, trades and flow."""
    rng = np.random.default_rng(seed)
    close = 90_000 * np.exp(np.cumsum(rng.normal(size=rows)) * 1e-4)
    op = np.concatenate([close[:1], close[:-1]])
    reach = np.abs(rng.normal(size=rows)) * 5e-5 * close
    volume = rng.exponential(size=rows)
    buy = volume * rng.random(rows)
    columns: dict[str, Any] = {
        "timestamp": 1_767_571_200_000 + 1_000 * np.arange(1, rows + 1),
        "open": op,
        "high": np.maximum(op, close) + reach,
        "low": np.minimum(op, close) - reach,
        "close": close,
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
    return pl.DataFrame({name: found[:, k] for k, name in enumerate(INDICATORS)})


def talib_ten(bars: pl.DataFrame) -> pl.DataFrame:
    """TA-Lib's ten columns."""
    import talib

    high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
    macd, signal, _ = talib.MACD(close, 12, 26, 9)
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    return pl.DataFrame(
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


def measure_ours(bars: pl.DataFrame) -> dict[str, float]:
    """Rows per CPU-second of the ten, the 41 and the 66 columns, and microseconds per tick."""
    rows = bars.height
    rounds = 5 if rows <= 2_000_000 else 3
    cfg = FeatureConfig()
    buffer = np.zeros((10, rows))
    out = {"ten_rows_per_s": rows / cpu_seconds(lambda: ours_ten(bars, buffer), rounds)}
    out["ten_fresh_rows_per_s"] = rows / cpu_seconds(lambda: ours_ten(bars), rounds)
    out["base_41_rows_per_s"] = rows / cpu_seconds(lambda: base_table(bars, cfg), rounds)
    out["kernel_66_rows_per_s"] = rows / cpu_seconds(lambda: compute(bars, cfg), rounds)
    ticks = bars[:20_000].select(BAR_INPUTS).cast(pl.Float64).to_numpy()
    stamps = bars["timestamp"][:20_000].to_list()

    def every_tick() -> None:
        stream = Stream(cfg)
        for ms, row in zip(stamps, ticks):
            stream.step(ms, row)

    out["tick_us"] = cpu_seconds(every_tick, 3) / len(stamps) * 1e6
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
    candles = [OHLCV(*row) for row in part.select("open", "high", "low", "close", "volume").iter_rows()]

    def every_tick() -> None:
        on_close = [RSI(14), MACD(12, 26, 9), EMA(9), EMA(21), SMA(50), BB(20, 2)]
        on_candle = [ATR(14), ADX(14, 14)]
        for candle in candles:
            for one in on_close:
                one.add(candle.close)
            for one in on_candle:
                one.add(candle)

    return {"tick_us": cpu_seconds(every_tick, 2) / part.height * 1e6}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="last line of stdout is one JSON object")
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args(argv)
    bars = made_bars(args.rows)

    print(f"ours on {args.rows:,} rows ...", file=sys.stderr)
    ours = measure_ours(bars)
    peers: dict[str, dict[str, float]] = {}
    skipped = []
    for name, module, measure in (
        ("ta-lib", "talib", measure_talib),
        ("pandas-ta-classic", "pandas_ta_classic", measure_pandas_ta),
        ("talipp", "talipp", measure_talipp),
    ):
        if importlib.util.find_spec(module) is None:
            skipped.append(name)
            print(f"{name} is not installed: skipped", file=sys.stderr)
            continue
        print(f"{name} ...", file=sys.stderr)
        peers[name] = measure(bars)

    ratios = {
        n: ours["ten_rows_per_s"] / p["ten_rows_per_s"] for n, p in peers.items() if "ten_rows_per_s" in p
    }
    if "ta-lib" in peers:
        ratios["ta-lib, both allocating"] = ours["ten_fresh_rows_per_s"] / peers["ta-lib"]["ten_rows_per_s"]
    if "pandas-ta-classic" in peers:
        inside = peers["pandas-ta-classic"]["with_ta_lib_rows_per_s"]
        ratios["pandas-ta-classic with ta-lib inside"] = ours["ten_rows_per_s"] / inside
    ratios |= {f"{n} per tick": p["tick_us"] / ours["tick_us"] for n, p in peers.items() if "tick_us" in p}
    met = ours["tick_us"] <= TARGETS["tick_us"] and all(
        ratios[name] >= TARGETS[name] for name in ("ta-lib", "pandas-ta-classic") if name in ratios
    )
    result = {
        "name": "features",
        "rows": args.rows,
        "ours": ours,
        "peers": peers,
        "ratios": ratios,
        "targets": TARGETS,
        "met": met,
        "skipped": skipped,
    }
    for side, figures in {"ours": ours, **peers, "times faster": ratios}.items():
        print(
            f"{side}: " + ", ".join(f"{key} {value:,.4g}" for key, value in figures.items()), file=sys.stderr
        )
    if args.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
