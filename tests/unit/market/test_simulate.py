"""Simulate: figures checked by hand, conservation, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from decot.errors import MarketFault, OracleExceeded
from decot.market.exact import hindsight
from decot.market.oracle import check_plausible, oracle
from decot.market.rules import VenueRules, load_rules
from decot.market.simulate import Account, simulate
from decot.market.steps import step_rewards, walk_bps
from decot.market.tape import Tape

FINE = VenueRules(
    venue="fine",
    symbol="X",
    kind="perp",
    maker_bps=1.0,
    taker_bps=4.0,
    tick=0.01,
    lot=1e-9,
    min_qty=1e-9,
    min_notional_usdt=0.0,
    leverage_max=10.0,
    version="test",
    source="test",
    is_exit_exempt=True,
)


def walk_tape(n=2_000, seed=0, vol_bps=0.5, spread=2.0, latency_ms=1000):
    rng = np.random.default_rng(seed)
    mid = 90_000 * np.exp(np.cumsum(rng.normal(0, vol_bps * 1e-4, n)))
    return Tape.of(np.arange(n) * 1000, mid - spread / 2, mid + spread / 2, latency_ms=latency_ms)


def conserved(run):
    """Cash from the fills alone + inventory at mid = equity."""
    signed = run.fills["side"] * run.fills["qty"]
    cash = run.capital_usdt - (signed * run.fills["price"]).sum() - run.fills["fee_usdt"].sum()
    return abs(cash + signed.sum() * 0.0 - run.equity_usdt[-1]) if run.lots[-1] == 0 else 0.0


def test_one_trade_by_hand():
    """Bought at the ask of the next bar, sold at a bid; 2 lots; fees 4 bps a side; equity at mid."""
    bid = np.array([90_000.0, 90_010.0, 90_100.0, 90_200.0, 90_200.0])
    tape = Tape.of(np.arange(5) * 1000, bid, bid + 2, latency_ms=500)
    run = simulate(tape, np.array([1, 1, 0, 0, 0]), load_rules("standx-like", "BTC-USD"))
    assert run.fills["qty"].tolist() == [2e-4, 2e-4]
    assert run.fills["price"].tolist() == [90_012.0, 90_200.0]
    assert run.fills["row"].tolist() == [1, 3]
    assert run.fills["decided"].tolist() == [0, 2]
    fees = 2e-4 * (90_012 + 90_200) * 4e-4
    assert run.fees_usdt == pytest.approx(fees, abs=1e-12)
    assert run.pnl_usdt == pytest.approx(2e-4 * 188 - fees, abs=1e-12)
    assert run.equity_usdt[1] == pytest.approx(19 - 2e-4 * 1 - 2e-4 * 90_012 * 4e-4, abs=1e-12)
    assert run.position.tolist() == [0, 1, 1, 0, 0]
    assert run.net_bps.sum() == pytest.approx(run.total_bps)
    assert run.trades["pnl_usdt"].sum() == pytest.approx(run.pnl_usdt, abs=1e-12)


@pytest.mark.parametrize("venue", ["zero-fee", "standx-like", "demo"])
def test_random_walks_conserve_money(venue):
    """Cash + inventory + fees = capital + profit to 1e-9, and the trades add up to the equity."""
    rules = load_rules(venue, "BTC-USD")
    for seed in range(5):
        tape = walk_tape(seed=seed)
        targets = np.random.default_rng(seed).integers(-1, 2, len(tape))
        run = simulate(tape, targets, rules, Account(capital_usdt=500.0))
        assert run.lots[-1] == 0
        assert run.n_trades > 100
        assert conserved(run) < 1e-9
        assert run.trades["pnl_usdt"].sum() == pytest.approx(run.pnl_usdt, abs=1e-9)


def test_an_open_position_is_closed_at_the_last_row():
    """What is held at the end is sold at the last bid, fee counted, as in the bound."""
    tape = walk_tape(50)
    run = simulate(tape, np.ones(50), FINE)
    assert run.position[-1] == 0
    assert run.fills["row"].tolist() == [1, 49]
    assert run.fills["price"][-1] == tape.bid[-1]


def test_spot_is_never_short():
    """A short target on a spot venue leaves the position and refuses the short, with its reason counted."""
    tape = walk_tape(40)
    targets = np.r_[np.ones(10), -np.ones(10), np.zeros(20)]
    run = simulate(tape, targets, load_rules("binance-spot", "BTC-USDT"))
    assert run.lots.min() == 0
    assert run.refused == {"no_short_on_spot": 10}
    assert run.n_trades == 1


def test_an_account_too_small_is_told_so():
    """100 USDT of minimum notional cannot be met with 19, so nothing is traded; every attempt is counted."""
    tape = walk_tape(30)
    run = simulate(tape, np.ones(30), load_rules("binance-usdm", "BTC-USDT"))
    assert run.n_trades == 0
    assert run.refused == {"too_small": 29}
    assert run.equity_usdt[-1] == 19.0


def test_a_spot_entry_can_be_left():
    """On spot an entry of 5.00 at a minimum of 5 is not made: it could not be sold after the fee."""
    tape = walk_tape(30)
    rules = load_rules("binance-spot", "BTC-USDT")
    assert simulate(tape, np.ones(30), rules, Account(capital_usdt=5.4)).refused == {"too_small": 29}
    assert simulate(tape, np.ones(30), rules, Account(capital_usdt=7.0)).n_trades == 1


def test_step_rewards_are_the_simulation_without_lots():
    """With fine lots and equal fees the step rewards add up to the simulated profit, to the order of r²."""
    for seed in range(4):
        tape = walk_tape(3_000, seed=seed, latency_ms=[1, 1000, 2500, 1][seed])
        rng = np.random.default_rng(seed)
        targets = np.repeat(rng.integers(-1, 2, 300), 10)
        run = simulate(tape, targets, FINE)
        taught = walk_bps(step_rewards(tape, FINE), targets).sum()
        assert run.n_trades > 100
        assert run.total_bps == pytest.approx(taught, abs=2e-3 * abs(run.fills["qty"]).size ** 0.5)


def test_funding_is_taught_as_it_is_paid():
    """A long pays the rate on its notional at the row, a short receives it, and the steps teach the same."""
    tape = walk_tape(600, vol_bps=0.5)
    tape = tape.with_funding(tape.timestamp[[100, 300, 500]], np.array([1e-4, 3e-4, -2e-4]))
    for target, paid in ((1, 2e-4), (-1, -2e-4)):
        targets = np.full(600, target)
        run = simulate(tape, targets, FINE)
        assert run.funding_usdt == pytest.approx(19 * paid, rel=0.02)
        taught = walk_bps(step_rewards(tape, FINE), targets).sum()
        assert run.total_bps == pytest.approx(taught, abs=0.2)
        check_plausible(run, tape, FINE)


def test_hindsight_bounds_the_simulation_and_is_reached():
    """The bound in money is above random walks and is met, to rounding, by its own positions."""
    tape = walk_tape(1_000, vol_bps=4)
    run = simulate(tape, oracle(tape, FINE, 1.0).positions, FINE)
    bound = check_plausible(run, tape, FINE)
    assert run.n_trades > 20
    assert 0.98 * bound < run.pnl_usdt <= bound
    rewards = walk_bps(step_rewards(tape, FINE), (best := hindsight(step_rewards(tape, FINE))).positions)
    assert rewards.sum() == pytest.approx(best.bound_bps)


def test_a_result_above_hindsight_is_an_error():
    """A run that fills before its orders, or forgets its fees, raises OracleExceeded."""
    tape = walk_tape(1_000)
    cheat = simulate(tape, oracle(tape, FINE.stressed(fees=0), 1.0).positions, FINE.stressed(fees=0))
    with pytest.raises(OracleExceeded, match="hindsight"):
        check_plausible(cheat, tape, FINE)


def test_liquidation_ends_the_run():
    """At 3x a fall of 40 % is liquidated, the row is named and the account is not negative."""
    mid = np.r_[np.full(5, 100.0), np.linspace(100, 60, 400), np.full(5, 60.0)]
    tape = Tape.of(np.arange(410) * 1000, mid, mid + 0.01)
    run = simulate(tape, np.ones(410), load_rules("demo", "BTC-USD"), Account(leverage=2.9))
    assert run.ruined_row > 0
    assert run.lots[run.ruined_row :].max() == 0
    assert 0 <= run.equity_usdt[-1] < 1


def test_wrong_targets_are_refused():
    """Targets of another length, or outside −1…1, are an error."""
    with pytest.raises(MarketFault, match="30 rows"):
        simulate(walk_tape(30), np.ones(29), FINE)
    with pytest.raises(MarketFault, match="none of"):
        simulate(walk_tape(30), np.full(30, 2), FINE)
    with pytest.raises(MarketFault, match="leverage"):
        simulate(walk_tape(30), np.ones(30), FINE, Account(leverage=11))


def test_a_run_without_fills_has_no_bound():
    """Who never traded is held against zero, and made zero."""
    tape = walk_tape(30)
    run = simulate(tape, np.zeros(30), FINE)
    assert check_plausible(run, tape, FINE) == 0.0
    assert run.pnl_usdt == 0.0
