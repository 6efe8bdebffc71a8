"""What Prometheus is told."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from decot.live.metrics import exposition
from decot.live.snapshot import Snapshot

SHOT = Snapshot(
    time_ms=1_000, session='a"b\\c\nd', symbol="BTC-USD", mode="paper", bid=99.0, ask=101.0, position=1, quantity=0.1,
    equity_usdt=19.5, day_pnl_usdt=-0.25, drawdown_bps=12.0, regime=(0.25, 0.75), risk={"stale_s": (0.5, 5.0, True)},
    latency_us={"decide": (100.0, 200.0)}, n_bars=7, n_orders=3, n_fills=2,
)  # fmt: skip


def test_prometheus_reads_it_back():
    """The text parses with Prometheus' own parser and every figure is the snapshot's."""
    parser = pytest.importorskip("prometheus_client.parser")
    families = list(parser.text_string_to_metric_families(exposition(SHOT, age_s=0.5, is_killed=True)))
    samples = {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}
    named = {name: value for (name, *_), value in samples.items()}
    assert named["decot_equity_usdt"] == 19.5
    assert named["decot_killed"] == named["decot_up"] == 1.0
    assert named["decot_fills_total"] == 2.0
    assert named["decot_risk_bound"] == 5.0
    assert sum(value for (name, *_), value in samples.items() if name == "decot_state") == 1.0
    assert sum(value for (name, *_), value in samples.items() if name == "decot_regime_posterior") == 1.0
    assert all(dict(labels).get("session", SHOT.session) == SHOT.session for (_, *labels) in samples)


def test_numbers_that_are_none_stay_honest():
    """Not a number is NaN, not 0; without a session only the switch and the absence are told."""
    assert "} NaN" in exposition(replace(SHOT, bid=math.nan), age_s=0.0, is_killed=False)
    told = exposition(None, age_s=math.inf, is_killed=False)
    assert "decot_up 0.0" in told
    assert "equity" not in told
