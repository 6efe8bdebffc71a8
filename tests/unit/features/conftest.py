"""Bars for the tests of this room: lawful random walks, one a second."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from decot.features.kernel import BAR_INPUTS

START_MS = 1_767_571_200_000


def synthetic_bars(
    rows: int, seed: int = 0, price: float = 90_000.0, sigma: float = 1e-4, clock_ms: int = 1_000
) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(size=rows * 4) * sigma).reshape(rows, 4)
    mid = price * np.exp(path - path[0, 0])
    close = mid[:, 3]
    op = np.concatenate([mid[:1, 0], close[:-1]])
    half = np.abs(rng.normal(size=rows)) * 1e-5 * close
    volume = rng.exponential(size=rows) * (rng.random(rows) < 0.7)
    buy = volume * rng.random(rows)
    sizes = {
        f"{side}_volume{depth}": rng.exponential(size=rows) * scale
        for depth, scale in (("", 1), ("_5", 5), ("_20", 20))
        for side in ("bid", "ask")
    }
    frame = pl.DataFrame(
        {
            "timestamp": START_MS + clock_ms * np.arange(1, rows + 1),
            "open": op,
            "high": np.maximum(mid.max(1), op),
            "low": np.minimum(mid.min(1), op),
            "close": close,
            "price": close * (1 + 1e-5 * rng.normal(size=rows)),
            "volume": volume,
            "buy_volume": buy,
            "sell_volume": volume - buy,
            "n_trades": rng.integers(0, 9, rows),
            "vwap": close * (1 + 1e-5 * rng.normal(size=rows)),
            "bid_price": close - half,
            "ask_price": close + half,
            **sizes,
            "ofi": rng.normal(size=rows),
            "stale_ms": rng.exponential(size=rows) * 100,
            "latency_ms": np.full(rows, 30.0),
        }
    )
    return frame.select("timestamp", *BAR_INPUTS)


@pytest.fixture(scope="session")
def make_bars() -> Callable[..., pl.DataFrame]:
    return synthetic_bars
