"""The mirrored market obeys the laws of a market, and is its own mirror."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from decot.data.bars import build_bars
from decot.data.mirror import mirror
from decot.data.worlds import WorldConfig, make_world
from decot.features.batch import compute
from decot.features.config import FeatureConfig
from decot.features.observation import OBSERVATION, observe
from decot.features.table import base_table, features_table
from schemas.tables import Bars, faults


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return build_bars(make_world(WorldConfig(days=1, seconds_per_day=2_400)), 1_000, "recv")


def test_a_mirrored_market_is_a_market(bars: pl.DataFrame) -> None:
    """Every law of the bars holds in the mirror."""
    assert not faults(mirror(bars), Bars)


def test_the_mirror_of_the_mirror_is_the_market(bars: pl.DataFrame) -> None:
    """Mirroring twice changes nothing but the last bits."""
    again = mirror(mirror(bars))
    assert again.columns == bars.columns
    for name in bars.columns:
        np.testing.assert_allclose(again[name].to_numpy(), bars[name].to_numpy(), rtol=1e-12, atol=1e-9)


def test_a_rise_becomes_the_same_fall(bars: pl.DataFrame) -> None:
    """Directional features and returns change sign, volatility and volume do not."""
    cfg = FeatureConfig()
    seen = []
    for frame in (bars, mirror(bars)):
        matrix = compute(frame, cfg)
        seen.append(features_table(base_table(frame, cfg, matrix=matrix), matrix, {}))
    plain, mirrored = (dict(zip(OBSERVATION, observe(one)[600:].T, strict=True)) for one in seen)
    for name in ("ret_5", "flow_30", "imb_5", "imb20_mean_30"):
        np.testing.assert_allclose(mirrored[name], -plain[name], rtol=1e-3, atol=1e-3)
    for name in ("vol_60", "volume_z", "spread_bps"):
        np.testing.assert_allclose(mirrored[name], plain[name], rtol=1e-3, atol=1e-3)
    ahead = [one["future_return_10s"].to_numpy()[600:-10] for one in seen]
    np.testing.assert_allclose(ahead[1], -ahead[0], atol=1e-12)
