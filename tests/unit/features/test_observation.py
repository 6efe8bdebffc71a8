"""The observation has no units, has a direction, and is the same for a frame and for one row."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from decot.errors import TableRefused
from decot.features.observation import DIRECTED, OBSERVATION, OBSERVED, observe, observe_row
from decot.features.table import build_table
from schemas.columns import SYSTEM, TARGETS, TEXT


def test_a_row_is_the_frame_bit_for_bit(make_bars):
    """What live sees of one row is what training saw of it."""
    table = build_table(make_bars(400))
    seen = observe(table)
    assert seen.dtype == np.float32
    assert seen.shape == (400, len(OBSERVATION))
    rows = table.select(OBSERVED).cast(pl.Float64).to_numpy()
    alone = np.array([observe_row(row) for row in rows])
    assert (alone.view(np.int32) == seen.view(np.int32)).all()


def test_units_do_not_matter(make_bars):
    """Prices in cents and sizes in thousandths give the same observation."""
    bars = make_bars(600)
    prices = ["open", "high", "low", "close", "price", "vwap", "bid_price", "ask_price"]
    sizes = [n for n in bars.columns if "volume" in n] + ["ofi"]
    other = bars.with_columns(pl.col(prices) * 100, pl.col(sizes) * 1_000)
    a, b = observe(build_table(bars)), observe(build_table(other))
    names = [n for k, n in enumerate(OBSERVATION) if not np.allclose(a[:, k], b[:, k], rtol=1e-4, atol=1e-4)]
    assert names == []


def test_everything_is_finite_from_the_first_row(make_bars):
    """Also in an empty, motionless market."""
    bars = make_bars(400)
    assert np.isfinite(observe(build_table(bars))).all()
    still = dict.fromkeys(("open", "high", "low", "close", "price", "vwap", "bid_price", "ask_price"), 100.0)
    empty = {n: 0.0 for n in bars.columns if "volume" in n} | {"ofi": 0.0}
    seen = observe(build_table(bars.with_columns(**{k: pl.lit(v) for k, v in (still | empty).items()})))
    assert np.isfinite(seen).all()
    directed = [OBSERVATION.index(n) for n in DIRECTED]
    assert (seen[:, directed] == 0).all()


def test_a_mirrored_market_is_seen_mirrored(make_bars):
    """Moves negated and sides swapped: the directed columns change sign, the others stay, on rows after the warm-up."""
    bars = make_bars(900, sigma=2e-5)
    c = 90_000.0
    swap = {"bid": "ask", "ask": "bid", "buy": "sell", "sell": "buy"}
    mirrored = {
        **{n: 2 * c - pl.col(n) for n in ("open", "close", "price", "vwap")},
        "high": 2 * c - pl.col("low"),
        "low": 2 * c - pl.col("high"),
        "bid_price": 2 * c - pl.col("ask_price"),
        "ask_price": 2 * c - pl.col("bid_price"),
        "ofi": -pl.col("ofi"),
        **{
            n: pl.col(n.replace(n[:3], swap[n[:3]], 1))
            for n in bars.columns
            if n.startswith(("bid_vol", "ask_vol"))
        },
        "buy_volume": pl.col("sell_volume"),
        "sell_volume": pl.col("buy_volume"),
    }
    a = observe(build_table(bars))[300:]
    b = observe(build_table(bars.with_columns(**mirrored)))[300:]
    sign = np.array([-1.0 if n in DIRECTED else 1.0 for n in OBSERVATION])
    size = np.abs(a).max(0) + 1e-3
    off = [n for k, n in enumerate(OBSERVATION) if np.abs(a[:, k] - sign[k] * b[:, k]).max() > 0.02 * size[k]]
    assert off == []


def test_it_never_looks_at_targets_or_the_account(make_bars):
    """Whatever targets and system columns say, the observation is the same, also without them."""
    table = build_table(make_bars(300))
    other = table.with_columns(*[pl.lit(1.0).alias(n) for n in (*TARGETS, *SYSTEM)], timestamp=pl.lit(5))
    assert observe(table).tobytes() == observe(other).tobytes()
    assert observe(table.drop(*TARGETS, *SYSTEM, "timestamp")).tobytes() == observe(table).tobytes()


def test_context_passes_through(make_bars):
    """Text columns arrive unchanged; a missing column is refused by name."""
    table = build_table(make_bars(300)).with_columns(text_3=pl.lit(0.25))
    assert (observe(table)[:, OBSERVATION.index("text_3")] == 0.25).all()
    assert set(TEXT) < set(OBSERVATION)
    with pytest.raises(TableRefused, match="vwap_60"):
        observe(table.drop("vwap_60"))
