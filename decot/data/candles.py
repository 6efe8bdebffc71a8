"""Ready-made candles become bars: coarse, without a book, and said to be so. Knows no finer truth."""

from __future__ import annotations

import polars as pl

from decot.errors import GapInData


def bars_of_candles(candles: pl.DataFrame, clock_ms: int) -> pl.DataFrame:
    """Candles as bars with a locked book at the close; missing candles are carried forward.

    Args:
        candles: `timestamp` (end, ms), open, high, low, close, volume.
        clock_ms: the candles' own step, or a multiple of it.
    Raises:
        GapInData: the clock is finer than the candles or no multiple of them.
    """
    step = int(candles["timestamp"].diff().drop_nulls().min() or clock_ms)  # type: ignore[arg-type]
    if clock_ms % step:
        raise GapInData(
            f"candles of {step} ms cannot make bars of {clock_ms} ms; set clock_ms = {step} (or a multiple of it)"
            " in a profile of your own, next to name and seed: --profile my.toml"
        )
    end = -(-pl.col("timestamp") // clock_ms) * clock_ms
    bars = (
        candles.group_by(end.alias("timestamp"), maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.len().cast(pl.Int64).alias("n_candles"),
        )
        .sort("timestamp")
    )
    grid = pl.DataFrame({"timestamp": range(bars["timestamp"][0], bars["timestamp"][-1] + 1, clock_ms)})
    bars = grid.join(bars, on="timestamp", how="left").with_columns(pl.col("close").forward_fill())
    close, nothing = pl.col("close"), pl.lit(0.0)
    flat = {name: pl.col(name).fill_null(close) for name in ("open", "high", "low")}
    locked = dict.fromkeys(("price", "vwap", "bid_price", "ask_price"), close)
    unknown = dict.fromkeys(
        (
            "buy_volume",
            "sell_volume",
            "bid_volume",
            "ask_volume",
            "bid_volume_5",
            "ask_volume_5",
            "bid_volume_20",
        )
        + ("ask_volume_20", "ofi", "latency_ms"),
        nothing,
    )
    missing = pl.col("n_candles").is_null()
    since = pl.col("timestamp") - pl.when(missing).then(None).otherwise(pl.col("timestamp")).forward_fill()
    return bars.with_columns(
        volume=pl.col("volume").fill_null(0.0),
        n_trades=pl.lit(0, pl.Int64),
        stale_ms=since.cast(pl.Float64),
        **flat,
        **locked,
        **unknown,
    )
