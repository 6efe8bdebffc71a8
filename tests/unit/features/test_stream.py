"""A stream that stops and starts again, holes in time, and what is refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decot.errors import ConfigError, DataFault, ModelFault, TableRefused
from decot.features.batch import compute, indicators
from decot.features.config import FeatureConfig
from decot.features.kernel import BAR_INPUTS, OUT_NAMES, fresh_state
from decot.features.scaler import Scaler
from decot.features.stream import Stream
from decot.features.table import base_table, features_table


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_cutting_into_pieces_gives_the_same_bits(make_bars, data):
    """Bars in one go, or in pieces of any sizes with the state carried over: every cell is equal."""
    rows = data.draw(st.integers(2, 900))
    bars = make_bars(rows, seed=rows)
    whole = compute(bars)
    state, at = fresh_state(), 0
    while at < rows:
        step = data.draw(st.integers(1, 400))
        part = compute(bars[at : at + step], state=state)
        assert part.tobytes() == whole[at : at + step].tobytes()
        at += step


def test_a_hole_in_time_starts_anew(make_bars):
    """After a hole longer than gap_bars the rows are those of a fresh start; a shorter one changes nothing."""
    bars = make_bars(600)
    late = bars[300:].with_columns(pl.col("timestamp") + 3_600_000)
    fresh, torn = compute(late), compute(pl.concat([bars[:300], late]))[300:]
    assert fresh.tobytes() == torn.tobytes()
    short = pl.concat([bars[:300], bars[300:].with_columns(pl.col("timestamp") + 10_000)])
    kept = [n for n in OUT_NAMES if not n.startswith(("hour", "minute", "weekday"))]
    columns = [OUT_NAMES.index(n) for n in kept]
    assert compute(short)[:, columns].tobytes() == compute(bars)[:, columns].tobytes()


def test_base_columns_alone_are_the_same(make_bars):
    """Asked for the base columns or the ten indicators only, the kernel gives the same bits."""
    bars = make_bars(1_000)
    whole = compute(bars)
    assert compute(bars, n_columns=28).tobytes() == whole[:, :28].tobytes()
    assert indicators(bars).tobytes() == whole[:, 12:22].tobytes()


def test_a_damaged_or_foreign_state_is_refused(make_bars):
    """A flipped bit, a cut end, other formulas: each says so and what to do."""
    stream = Stream()
    stream.step(make_bars(1)["timestamp"][0], make_bars(1).select(BAR_INPUTS).to_numpy()[0])
    blob = stream.save()
    assert Stream.load(blob).save() == blob
    for broken in (b"", b"x" * 100, blob[:-1], blob[:200] + bytes([blob[200] ^ 1]) + blob[201:]):
        with pytest.raises(DataFault, match="start a fresh"):
            Stream.load(broken)


def test_bad_bars_are_refused_with_all_their_faults(make_bars):
    """nan, a price of zero and time standing still come in one message."""
    bars = make_bars(10)
    bad = bars.with_columns(
        volume=pl.when(pl.int_range(10) == 3).then(float("nan")).otherwise("volume"),
        low=pl.when(pl.int_range(10) == 4).then(0.0).otherwise("low"),
        timestamp=pl.when(pl.int_range(10) == 5).then(pl.col("timestamp").shift(1)).otherwise("timestamp"),
    )
    with pytest.raises(TableRefused) as refused:
        compute(bad)
    assert len(refused.value.faults) == 3
    assert "row 3" in str(refused.value)
    assert "row 4" in str(refused.value)
    assert "row 5" in str(refused.value)
    with pytest.raises(TableRefused, match="vwap"):
        compute(bars.drop("vwap"))


def test_a_bad_configuration_lists_all_its_faults():
    """Three wrong settings, three lines."""
    with pytest.raises(ConfigError) as refused:
        FeatureConfig(clock_ms=0, reversal_low=80, round_trip_cost_bps=-1)
    assert len(refused.value.faults) == 3


def test_context_must_fit_the_table(make_bars):
    """An unknown name and a wrong length are refused together."""
    bars = make_bars(50)
    with pytest.raises(TableRefused) as refused:
        features_table(base_table(bars), compute(bars), {"mood": np.zeros(50), "text_0": np.zeros(49)})
    assert len(refused.value.faults) == 2


def test_scaler(make_bars):
    """Unit spread on the rows it was fitted on, silent columns stay 0, ±8 is the end, JSON keeps every bit."""
    rng = np.random.default_rng(0)
    obs = np.concatenate([rng.normal(5, 3, (500, 4)), np.ones((500, 1))], 1).astype(np.float32)
    scaler = Scaler.fit(obs)
    scaled = scaler.apply(obs)
    assert np.allclose(scaled.mean(0), 0, atol=1e-4)
    assert np.allclose(scaled.std(0), [1, 1, 1, 1, 0], atol=1e-4)
    assert scaler.apply(np.full((1, 5), 1e6, np.float32)).max() == 8
    again = Scaler.from_json(scaler.to_json())
    assert again.apply(obs[7]).tobytes() == scaled[7].tobytes()
    with pytest.raises(ModelFault, match="fitted on 5 columns"):
        scaler.apply(obs[:, :3])
    for text in ("", "{}", '{"mean": [1], "spread": [0]}'):
        with pytest.raises(ModelFault):
            Scaler.from_json(text)
