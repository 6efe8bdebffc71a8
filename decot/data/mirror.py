"""The mirrored market: the same bars as if every rise had been a fall. Knows no features and no learning.

A price p becomes C/p, bids become asks, buyers become sellers, so every law of a bar still holds and every feature or
target built from the mirrored bars is the true one of that market. Taught on both, an agent cannot mistake the drift of
one day for skill.
"""

from __future__ import annotations

import polars as pl

INVERTED = {
    "open": "open", "high": "low", "low": "high", "close": "close", "price": "price", "vwap": "vwap",
    "bid_price": "ask_price", "ask_price": "bid_price",
}  # fmt: skip
"""column → the column whose inverse it becomes"""
SWAPPED = (
    ("buy_volume", "sell_volume"), ("bid_volume", "ask_volume"),
    ("bid_volume_5", "ask_volume_5"), ("bid_volume_20", "ask_volume_20"),
)  # fmt: skip


def mirror(bars: pl.DataFrame) -> pl.DataFrame:
    """Bars of `build_bars` → bars of the mirrored market, around the geometric mean of first and last close.

    Mirroring twice gives the same bars to rounding; times, counts, volumes and delays stay.
    """
    level = float(bars["close"][0]) * float(bars["close"][-1])
    swaps = {a: pl.col(b) for a, b in SWAPPED} | {b: pl.col(a) for a, b in SWAPPED}
    inverses = {name: level / pl.col(source) for name, source in INVERTED.items()}
    return bars.with_columns(**swaps, **inverses, ofi=-pl.col("ofi"))
