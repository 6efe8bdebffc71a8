"""Every column of the extension and every event against the slow, obvious way to compute it."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from decot.features.batch import compute
from decot.features.config import FeatureConfig
from decot.features.kernel import OUT_NAMES

ROWS = 700


@pytest.fixture(scope="module")
def both(make_bars):
    """(bars by column, our columns by name)."""
    bars = make_bars(ROWS, seed=5)
    return {n: bars[n].to_numpy() for n in bars.columns}, dict(zip(OUT_NAMES, compute(bars).T))


def windows(x: np.ndarray, w: int) -> list[np.ndarray]:
    """The last min(t + 1, w) values at each t."""
    return [x[max(0, t - w + 1) : t + 1] for t in range(len(x))]


def earlier(x: np.ndarray, w: int) -> list[np.ndarray]:
    """The at most w values before each t."""
    return [x[max(0, t - w) : t] for t in range(len(x))]


def test_copied_columns_are_copied(both):
    """Prices and sizes are the bar's own; the spread and the imbalance follow from them."""
    bars, ours = both
    for name in (
        "price",
        "volume",
        "open",
        "high",
        "low",
        "close",
        "bid_price",
        "ask_price",
        "bid_volume",
        "ofi",
    ):
        assert (ours[name] == bars[name]).all(), name
    assert (ours["spread"] == bars["ask_price"] - bars["bid_price"]).all()
    b, a = bars["bid_volume"], bars["ask_volume"]
    assert np.allclose(ours["order_imbalance"], (b - a) / (b + a), atol=1e-15)


def test_returns_and_volatility(both):
    """ret_h are log returns of the mid in bps, since the first bar at the start; vol_w their standard deviation."""
    bars, ours = both
    log = np.log(bars["close"]) * 1e4
    for h in (1, 2, 5, 10, 30, 60, 300):
        assert np.allclose(ours[f"ret_{h}"], log - log[np.maximum(np.arange(ROWS) - h, 0)], atol=1e-9)
    change = np.diff(log, prepend=log[0])
    for w in (60, 300):
        assert np.allclose(ours[f"vol_{w}"], [x.std() for x in windows(change, w)], atol=1e-6)


def test_imbalances_and_their_means(both):
    """imb_5, imb_20 and the means over 5, 30 and 120 bars."""
    bars, ours = both
    for depth, prefix in (("5", "imb"), ("20", "imb20")):
        b, a = bars[f"bid_volume_{depth}"], bars[f"ask_volume_{depth}"]
        x = (b - a) / (b + a)
        assert np.allclose(ours[f"imb_{depth}"], x, atol=1e-15)
        for w in (5, 30, 120):
            assert np.allclose(ours[f"{prefix}_mean_{w}"], [v.mean() for v in windows(x, w)], atol=1e-13)


def test_flow(both):
    """Signed roots of signed volume, summed OFI, tick rule, weighted mid and volume-weighted price."""
    bars, ours = both
    signed = bars["buy_volume"] - bars["sell_volume"]
    for w in (5, 30, 120):
        total = np.array([x.sum() for x in windows(signed, w)])
        assert np.allclose(ours[f"flow_{w}"], np.sign(total) * np.sqrt(np.abs(total)), atol=1e-6)
    assert np.allclose(ours["ofi_10"], [x.sum() for x in windows(bars["ofi"], 10)], atol=1e-12)
    moves = np.sign(np.diff(bars["price"], prepend=bars["price"][0]))
    tick = pl.Series(moves).replace(0.0, None).forward_fill().fill_null(0.0).to_numpy()
    assert (ours["tick_rule"] == tick).all()
    bid, ask, b, a = (bars[n] for n in ("bid_price", "ask_price", "bid_volume", "ask_volume"))
    assert np.allclose(ours["micro_price"], (bid * a + ask * b) / (a + b), rtol=1e-14)
    paid, volume = windows(bars["vwap"] * bars["volume"], 60), windows(bars["volume"], 60)
    expected = [p.sum() / v.sum() if v.sum() > 0 else c for p, v, c in zip(paid, volume, bars["close"])]
    assert np.allclose(ours["vwap_60"], expected, rtol=1e-13)


def test_slippage_is_half_the_spread_and_more_in_a_thin_book(both):
    """(ask − bid) / 2 in bps, times one plus the share of the thinner touch that 20 of quote currency takes."""
    bars, ours = both
    half = 5e3 * (bars["ask_price"] - bars["bid_price"]) / bars["close"]
    thin = np.minimum(bars["bid_volume"], bars["ask_volume"]) * bars["close"]
    assert np.allclose(ours["slippage_bps"], half * (1 + np.minimum(20 / thin, 10)), rtol=1e-12)


def test_ichimoku(both):
    """Middle of the range of 9 and 26 bars."""
    bars, ours = both
    for name, w in (("ichimoku_tenkan", 9), ("ichimoku_kijun", 26)):
        top = np.array([x.max() for x in windows(bars["high"], w)])
        floor = np.array([x.min() for x in windows(bars["low"], w)])
        assert np.allclose(ours[name], (top + floor) / 2, rtol=1e-15)


def test_volume_events(both):
    """volume_z and the spike are about the 60 bars before, without the bar itself."""
    bars, ours = both
    z, spike = np.zeros(ROWS), np.zeros(ROWS)
    for t, before in enumerate(earlier(bars["volume"], 60)):
        if t >= 20:
            z[t] = np.clip((bars["volume"][t] - before.mean()) / before.std(), -10, 10)
            spike[t] = bars["volume"][t] > before.mean() + 2 * before.std()
    assert np.allclose(ours["volume_z"], z, atol=1e-9)
    assert (ours["event_spike_volume"] == spike).all()
    assert 0 < spike.sum() < ROWS / 5


def test_price_events(both):
    """Breakouts leave the range of the 20 bars before; reversals leave the RSI's outer bands; shifts are crossings."""
    bars, ours = both
    rsi, above = ours["rsi_14"], ours["macd"] - ours["macd_signal"]
    for t in range(34, ROWS):
        top, floor = bars["high"][t - 20 : t].max(), bars["low"][t - 20 : t].min()
        close = bars["close"][t]
        assert ours["event_breakout"][t] == (1 if close > top else -1 if close < floor else 0)
        up, down = rsi[t - 1] <= 30 < rsi[t], rsi[t - 1] >= 70 > rsi[t]
        assert ours["event_reversal"][t] == (1 if up else -1 if down else 0)
        crossed = np.sign(above[t]) if np.sign(above[t]) != np.sign(above[t - 1]) else 0
        assert ours["momentum_shift"][t] == crossed
        side = np.sign(ours["ema_9"][t] - ours["ema_21"][t]) if ours["adx"][t] >= 20 else 0
        assert ours["trend_direction"][t] == side
    for name in ("event_breakout", "event_reversal", "momentum_shift", "trend_direction"):
        assert set(ours[name]) == {-1.0, 0.0, 1.0}, name


def test_vpin_by_hand(make_bars):
    """One-sided volume is fully toxic, two-sided volume not at all; a bar larger than a bucket is split."""
    bars = make_bars(200)
    name = OUT_NAMES.index("vpin")

    def vpin(volume, buy):
        filled = bars.with_columns(
            volume=pl.lit(volume), buy_volume=pl.lit(buy), sell_volume=pl.lit(volume - buy)
        )
        return compute(filled)[:, name]

    assert vpin(2.0, 2.0)[-1] == 1.0
    assert vpin(2.0, 1.0)[-1] == 0.0
    assert vpin(2.0, 1.5)[-1] == pytest.approx(0.5)
    assert vpin(0.0, 0.0)[-1] == 0.0
    burst = np.ones(200)
    burst[100] = 1e6
    filled = bars.with_columns(volume=burst, buy_volume=burst * 0.75, sell_volume=burst * 0.25)
    assert compute(filled)[-1, name] == pytest.approx(0.5)


def test_unknown_sides_count_half_each(make_bars):
    """Volume without an aggressor flag is not called toxic."""
    bars = make_bars(200).with_columns(volume=2.0, buy_volume=0.0, sell_volume=0.0)
    assert compute(bars)[-1, OUT_NAMES.index("vpin")] == 0.0


def test_calendar(make_bars):
    """Angles of the day by the minute, of the hour by the second, of the week (Monday first) by the hour."""
    bars = make_bars(3).with_columns(
        timestamp=pl.Series([1_767_571_200_000, 1_767_592_830_500, 1_767_700_000_000])
    )
    ours = dict(zip(OUT_NAMES, compute(bars, FeatureConfig(gap_bars=10**6)).T))
    # Monday 2026-01-05 00:00:00, Monday 06:00:30.5, Tuesday 11:46:40
    for t, (minute, second, hour) in enumerate(((0, 0, 0), (360, 30, 6), (706, 2_800, 35))):
        for name, share in (("hour", minute / 1_440), ("minute", second / 3_600), ("weekday", hour / 168)):
            assert ours[f"{name}_sin"][t] == pytest.approx(math.sin(2 * math.pi * share), abs=1e-15)
            assert ours[f"{name}_cos"][t] == pytest.approx(math.cos(2 * math.pi * share), abs=1e-15)


def test_session_volatility_carries_over(make_bars):
    """Root mean square of the session's returns; a new session starts from the last one with the weight of 60 bars."""
    start = 1_767_571_200_000 + 8 * 3_600_000 - 200_000
    bars = make_bars(400).with_columns(timestamp=start + 1_000 * pl.int_range(400))
    ours = dict(zip(OUT_NAMES, compute(bars).T))
    r = ours["ret_1"]
    assert ours["session_vol"][199] == pytest.approx(math.sqrt((r[:200] ** 2).mean()))
    prior = (r[:200] ** 2).mean()
    assert ours["session_vol"][300] == pytest.approx(
        math.sqrt((60 * prior + (r[200:301] ** 2).sum()) / (60 + 101))
    )


def test_an_empty_book_and_no_trades_are_finite(make_bars):
    """Venues without sizes and quiet bars give neutral values, not nan."""
    quiet = make_bars(400).with_columns(
        **dict.fromkeys(("volume", "buy_volume", "sell_volume", "ofi", "bid_volume", "ask_volume"), 0.0),
        **{f"{s}_volume_{d}": 0.0 for s in ("bid", "ask") for d in (5, 20)},
    )
    ours = dict(zip(OUT_NAMES, compute(quiet).T))
    assert all(np.isfinite(x).all() for x in ours.values())
    for name in (
        "order_imbalance",
        "imb_5",
        "imb_mean_120",
        "flow_120",
        "vpin",
        "volume_z",
        "event_spike_volume",
    ):
        assert (ours[name] == 0).all(), name
    assert (ours["vwap_60"] == ours["close"]).all()
