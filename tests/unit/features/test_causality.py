"""The checker must catch every planted leak, and accuse no honest table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import signal

from decot.errors import DataFault
from decot.features.causality import check, check_table, replace_future
from decot.features.table import build_table
from schemas import tables
from schemas.columns import TARGETS

Leaky = Callable[[pl.DataFrame], pl.DataFrame]


def _column(values: Callable[[np.ndarray], np.ndarray]) -> Leaky:
    """A table whose column x is made from all closes at once."""
    return lambda bars: pl.DataFrame(
        {"timestamp": bars["timestamp"], "x": np.asarray(values(bars["close"].to_numpy()), float)}
    )


def _expression(x: pl.Expr) -> Leaky:
    return lambda bars: bars.select("timestamp", x=x)


def _smoothed_states(close: np.ndarray) -> np.ndarray:
    """Forward-backward posterior of a calm and a wild state, like hmmlearn's predict_proba."""
    r = np.diff(np.log(close), prepend=np.log(close[0])) * 1e4
    density = np.stack([np.exp(-0.5 * (r / s) ** 2) / s for s in (1.5, 3.0)], 1) + 1e-12
    move = np.array([[0.95, 0.05], [0.05, 0.95]])
    forward, backward = np.empty_like(density), np.ones_like(density)
    forward[0] = density[0] / density[0].sum()
    for t in range(1, len(r)):
        forward[t] = density[t] * (forward[t - 1] @ move)
        forward[t] /= forward[t].sum()
    for t in range(len(r) - 2, -1, -1):
        backward[t] = move @ (density[t + 1] * backward[t + 1])
        backward[t] /= backward[t].sum()
    both = forward * backward
    return both[:, 1] / both.sum(1)


def _low_pass(close: np.ndarray) -> np.ndarray:
    spectrum = np.fft.rfft(close)
    spectrum[len(spectrum) // 10 :] = 0
    return np.fft.irfft(spectrum, len(close))


def _next_bar_breakout(bars: pl.DataFrame) -> pl.DataFrame:
    """A breakout stamped on the bar before the one that broke out."""
    breaks = pl.col("high").shift(-1) > pl.col("high").rolling_max(20, min_samples=1)
    return bars.select("timestamp", x=breaks.fill_null(False).cast(pl.Int8))


def _left_label(bars: pl.DataFrame) -> pl.DataFrame:
    """Minute candles stamped with their beginning, then joined backward."""
    minutes = bars.group_by_dynamic(
        pl.from_epoch("timestamp", time_unit="ms").alias("minute"), every="1m"
    ).agg(x=pl.col("close").last())
    minutes = minutes.select(timestamp=pl.col("minute").dt.epoch("ms"), x="x")
    return bars.select("timestamp").join_asof(minutes, on="timestamp").fill_null(0.0)


def _forward_join(bars: pl.DataFrame) -> pl.DataFrame:
    sparse = bars.gather_every(7).select("timestamp", x="close")
    return bars.select("timestamp").join_asof(sparse, on="timestamp", strategy="forward").fill_null(0.0)


def _target_encoding(bars: pl.DataFrame) -> pl.DataFrame:
    """The mean next return of every bucket of the imbalance, over the whole table."""
    bucket = (pl.col("bid_volume") / (pl.col("bid_volume") + pl.col("ask_volume")) * 5).floor()
    ahead = pl.col("close").shift(-1) / pl.col("close") - 1
    return bars.with_columns(bucket=bucket, ahead=ahead).select(
        "timestamp", x=pl.col("ahead").mean().over("bucket")
    )


def _mean_fill(bars: pl.DataFrame) -> pl.DataFrame:
    holes = pl.when(pl.int_range(pl.len()) % 5 != 0).then(pl.col("volume"))
    return bars.select("timestamp", x=holes.fill_null(holes.mean()))


def _interpolated(bars: pl.DataFrame) -> pl.DataFrame:
    holes = pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.col("close"))
    return bars.select("timestamp", x=holes.interpolate().fill_null(strategy="forward"))


def _back_filled(bars: pl.DataFrame) -> pl.DataFrame:
    holes = pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.col("close"))
    return bars.select("timestamp", x=holes.fill_null(strategy="backward").fill_null(0.0))


def _outliers_dropped(bars: pl.DataFrame) -> pl.DataFrame:
    """Rows kept by what happens after them."""
    ahead = (pl.col("close").shift(-1) / pl.col("close")).log().abs().fill_null(0.0)
    return bars.filter(ahead < ahead.mean() * 2).select("timestamp", x="close")


def _clipped(close: np.ndarray) -> np.ndarray:
    r = np.diff(np.log(close), prepend=np.log(close[0]))
    return np.clip(r, *np.quantile(r, [0.05, 0.95]))


def _principal(bars: pl.DataFrame) -> pl.DataFrame:
    """A projection fitted on every row."""
    x = bars.select("volume", "bid_volume", "ask_volume", "ofi").to_numpy()
    x = x - x.mean(0)
    axis = np.linalg.svd(x, full_matrices=False)[2][0]
    return pl.DataFrame({"timestamp": bars["timestamp"], "x": x @ (axis * np.sign(axis[0]))})


def _swing_points(close: np.ndarray) -> np.ndarray:
    """Local tops, known only after the fall that follows them."""
    found = np.zeros(len(close))
    found[signal.find_peaks(close, distance=3)[0]] = 1
    return found


def _zigzag(close: np.ndarray) -> np.ndarray:
    """Whether the last extreme before the next 3-bar reversal lies ahead."""
    return np.array([close[i : i + 4].argmax() for i in range(len(close))], float)


def planted_leaks() -> dict[str, Leaky]:
    """Tables whose column x knows the future, by the name of the mistake."""
    close, n = pl.col("close"), pl.len()
    return {
        "centred window": _expression(close.rolling_mean(9, center=True).fill_null(0.0)),
        "rolling deviation, centred": _expression(close.rolling_std(5, center=True).fill_null(0.0)),
        "scaler fitted on all": _expression((close - close.mean()) / close.std()),
        "volume scaled by its whole spread": _expression(pl.col("volume") / pl.col("volume").std()),
        "shift(-1)": _expression(close.shift(-1)),
        "shift(-1), forward filled": _expression(close.shift(-1).fill_null(strategy="forward")),
        "shift(-5) of the imbalance": _expression(pl.col("ofi").shift(-5).fill_null(0.0)),
        "difference the wrong way": _expression((close.shift(-1) - close).fill_null(0.0)),
        "interpolation": _interpolated,
        "back-fill": _back_filled,
        "breakout with the next bar's high": _next_bar_breakout,
        "global min and max": _expression((close - close.min()) / (close.max() - close.min())),
        "quantile rank over all": _expression(close.rank() / n),
        "winsorised at global quantiles": _column(_clipped),
        "future maximum": _expression(close.reverse().rolling_max(10, min_samples=1).reverse()),
        "candles labelled left": _left_label,
        "smoothed regime": _column(_smoothed_states),
        "sorting over all": _column(lambda c: np.argsort(np.argsort(c))),
        "detrended by one regression": _column(signal.detrend),
        "fft filter": _column(_low_pass),
        "filtfilt": _column(lambda c: signal.filtfilt(*signal.butter(2, 0.2), c)),
        "savgol": _column(lambda c: signal.savgol_filter(c, 9, 2)),
        "cumulated from the end": _expression(pl.col("volume").reverse().cum_sum().reverse()),
        "target encoding": _target_encoding,
        "asof join forward": _forward_join,
        "normalised by the final price": _expression(close / close.last()),
        "missing values filled with the mean": _mean_fill,
        "rows dropped by their future": _outliers_dropped,
        "principal component of all": _principal,
        "swing points": _column(_swing_points),
        "zigzag": _column(_zigzag),
        "share of the tape gone by": _expression(pl.int_range(n) / n),
        "reverse ewm": _expression(close.reverse().ewm_mean(span=10).reverse()),
        "whether a gap in volume follows": _expression(
            (pl.col("volume").shift(-1).fill_null(1.0) == 0).cast(pl.Int8)
        ),
        "trades of the next bar": _expression(pl.col("n_trades").shift(-1).fill_null(0)),
    }


HONEST: dict[str, Leaky] = {
    "rolling mean": _expression(pl.col("close").rolling_mean(9).fill_null(0.0)),
    "expanding deviation": _column(lambda c: np.array([c[: i + 1].std() for i in range(len(c))])),
    "lag": _expression(pl.col("close").shift(3).fill_null(0.0)),
    "forward fill": _expression(
        pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.col("close")).fill_null(strategy="forward")
    ),
    "ewm": _expression(pl.col("close").ewm_mean(span=10)),
    "causal filter": _column(lambda c: signal.lfilter(*signal.butter(2, 0.2), c)),
    "constant": _expression(pl.lit(1.0)),
    "nan until known": _expression(pl.col("close").rolling_mean(30)),
    "first row out": lambda bars: bars[1:].select("timestamp", x="close"),
}


@pytest.mark.parametrize("name", planted_leaks())
def test_every_planted_leak_is_caught(name, make_bars):
    """The same checker, with the same seed as the command, names the column that knows its future."""
    leaks = check_table(planted_leaks()[name], make_bars(400))
    assert leaks, name
    assert {leak.column for leak in leaks} <= {"x", "(rows)"}


@pytest.mark.parametrize("name", HONEST)
def test_honest_columns_are_not_accused(name, make_bars):
    """A column that only looks back passes, whatever it does with its first rows."""
    assert check_table(HONEST[name], make_bars(400)) == []


def test_there_are_at_least_twenty():
    """The suite does not shrink."""
    assert len(planted_leaks()) >= 20


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), rows=st.integers(40, 700), price=st.sampled_from([90_000.0, 1.0, 3e-5]))
def test_no_input_column_knows_the_future(make_bars, seed, rows, price):
    """At random cuts of random tapes every input column is bit-equal on a prefix and under another future."""
    bars = make_bars(rows, seed=seed, price=price, sigma=5e-4)
    leaks = check(build_table, bars, None, 2, np.random.default_rng(seed))
    assert [leak for leak in leaks if leak.kind != "blind"] == []


def test_all_five_targets_do_change(make_bars):
    """A target that did not move with the future would be no target; the checker says which."""
    bars = make_bars(400, sigma=5e-4)
    assert check_table(build_table, bars) == []
    blind = check_table(lambda b: build_table(b).with_columns(future_return_5s=0.0), bars)
    assert [(leak.column, leak.kind) for leak in blind] == [("future_return_5s", "blind")]


def test_a_target_named_as_input_is_a_leak(make_bars):
    """Asked about the targets as if they were inputs, the checker catches all five."""
    leaks = check(build_table, make_bars(400, sigma=5e-4), list(TARGETS), 8)
    assert {leak.column for leak in leaks} == set(TARGETS)


def test_made_up_futures_are_lawful_bars(make_bars):
    """The noise is a market too: a build that checks its bars does not trip over it."""
    noisy = replace_future(make_bars(300), 100, np.random.default_rng(1))
    assert tables.faults(noisy, tables.Bars) == []
    assert noisy[:101].equals(make_bars(300)[:101])
    assert not noisy[101:].equals(make_bars(300)[101:])


@pytest.mark.parametrize("seed", range(3))
def test_three_cuts_catch_nearly_all(seed, make_bars):
    """Even with the three cuts a gate can afford, at most two rare leaks of the suite slip through."""
    missed = [
        n for n, leaky in planted_leaks().items() if not check_table(leaky, make_bars(400), cuts=3, seed=seed)
    ]
    assert len(missed) <= 2, missed


def test_too_few_rows_are_refused(make_bars):
    """Nothing can be cut out of seven rows."""
    with pytest.raises(DataFault, match="7 rows"):
        check_table(build_table, make_bars(7))
