"""The laws on a recorded market: a morning of StandX with its own book, prints and receive delay."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from decot.market.oracle import check_plausible
from decot.market.rules import load_rules
from decot.market.simulate import Account, simulate
from decot.market.tape import Tape

ROWS = 20_000


@pytest.fixture(scope="module")
def morning(tapes):
    folder = tapes / "standx-btcusd"
    book = pl.read_parquet(folder / "bbo_2026-01-06.parquet").sort("recv_us").head(100_000)
    recv = book["recv_us"].to_numpy()
    time = (recv[0] // 1_000_000 + 1 + np.arange(ROWS)) * 1_000
    at = np.searchsorted(recv, time * 1_000, side="right") - 1
    column = {c: book[c].to_numpy()[at] for c in ("bid", "ask", "bid_qty", "ask_qty")}
    delay = (book["recv_us"] - book["ts_us"]).to_numpy() / 1_000
    trades = pl.read_parquet(folder / "trades_2026-01-06.parquet").sort("recv_us")
    inside = trades.filter(pl.col("recv_us") <= int(time[-1]) * 1_000)
    tape = Tape.of(
        time, column["bid"], np.maximum(column["ask"], column["bid"]), column["bid_qty"], column["ask_qty"]
    )
    return tape.with_prints(
        np.ceil(inside["recv_us"].to_numpy() / 1_000).astype(np.int64),
        inside["price"].to_numpy(),
        inside["quantity"].to_numpy(),
        np.zeros(len(inside)),
    ).sampled_latency(delay, seed=1)


@pytest.mark.tapes
@pytest.mark.parametrize("execution", ["taker", "post_only"])
def test_the_laws_hold_on_a_recorded_morning(morning, execution):
    """Under the tape's own delays money is conserved, orders fill in order, and nobody beats hindsight."""
    rules = load_rules("standx-like", "BTC-USD")
    account = Account(execution=execution, capital_usdt=190.0, leverage=0.1)
    targets = np.repeat(np.random.default_rng(0).integers(-1, 2, ROWS // 50), 50)
    run = simulate(morning, targets, rules, account)
    assert run.n_trades > 20
    assert run.trades["pnl_usdt"].sum() == pytest.approx(run.pnl_usdt, abs=1e-9)
    assert (np.diff(run.fills["row"]) >= 0).all()
    assert (run.fills["row"] > run.fills["decided"])[:-1].all()
    check_plausible(run, morning, rules)
    if execution == "post_only":
        assert run.fills["is_maker"][:-1].all()
        assert run.refused["would_take"] > 0


@pytest.mark.tapes
def test_delays_are_the_tapes_own(morning):
    """Sampled delays have the recorded median and keep the order of the orders."""
    assert 200 < np.median(morning.latency_ms) < 600
    arrives = morning.fill_index[morning.fill_index >= 0]
    assert (np.diff(arrives) >= 0).all()
    assert (arrives > np.arange(len(arrives))).all()
