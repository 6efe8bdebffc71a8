"""Laws for any sequence of targets on any venue: money is conserved, no order the venue would reject, no free lunch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decot.market.desk import Desk
from decot.market.exact import hindsight
from decot.market.oracle import check_plausible
from decot.market.rules import all_rules, load_rules
from decot.market.simulate import Account, simulate
from decot.market.steps import step_rewards

SEQUENCES = 48
"""order sequences per example: 400 examples make 19,200, of which more than 10,000 trade"""
HARD = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
SOME = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

ACCOUNTS = st.builds(
    Account,
    capital_usdt=st.sampled_from([6.0, 11.0, 19.0, 19.99, 400.0]),
    leverage=st.sampled_from([0.5, 1.0]),
    stop_bps=st.sampled_from([0.0, 1000.0]),
    buffer_bps=st.sampled_from([0.0, 50.0]),
    is_compounding=st.booleans(),
    is_depth_limited=st.booleans(),
    execution=st.sampled_from(["taker", "post_only"]),
    patience_rows=st.sampled_from([0, 5]),
    queue=st.sampled_from([0.0, 1.0, 3.0]),
    band=st.sampled_from([0.0, 0.1]),
)


def targets_of(rng, n, is_continuous):
    """A walk of targets that sometimes stays for long and sometimes flips every bar."""
    stay = rng.choice([0.0, 0.5, 0.9])
    pool = rng.uniform(-1, 1, n) if is_continuous else rng.integers(-1, 2, n)
    keep = rng.random(n) < stay
    last = np.maximum.accumulate(np.where(keep, 0, np.arange(n)))
    return pool[last]


def check_money(run, tape, rules):
    """Cash and inventory rebuilt from the fills alone give the equity of every row."""
    f, lot_fee = run.fills, rules.is_buy_fee_in_base
    rate = np.where(f["side"] > 0, 1.0, 0.0) * f["fee_usdt"] / (f["qty"] * f["price"]) if lot_fee else 0.0
    cash, held = np.zeros(len(tape)), np.zeros(len(tape))
    fee = np.where((f["side"] > 0) & lot_fee, 0.0, f["fee_usdt"])
    np.add.at(cash, f["row"], -f["side"] * f["qty"] * f["price"] - fee)
    np.add.at(held, f["row"], f["side"] * f["qty"] * (1 - rate))
    held = np.cumsum(held)
    before = np.r_[0.0, held[:-1]]
    paid = before * tape.mid * tape.funding if rules.kind == "perp" else np.zeros(len(tape))
    equity = run.capital_usdt + np.cumsum(cash - paid) + held * tape.mid
    np.testing.assert_allclose(run.equity_usdt, equity, rtol=0, atol=1e-9)
    assert run.funding_usdt == pytest.approx(paid.sum(), abs=1e-9)
    if run.lots[-1] == 0 and not lot_fee:
        assert run.trades["pnl_usdt"].sum() == pytest.approx(run.pnl_usdt, abs=1e-9)


def check_rules(run, rules, account):
    """Every fill is one the venue's documented filters would have let through."""
    f, held, cash = run.fills, 0.0, run.capital_usdt
    lot = rules.lot
    for _, row, _, side, qty, price, _, fee, is_maker in f.tolist():
        if row == run.ruined_row:
            return
        assert abs(qty / lot - round(qty / lot)) < 1e-4
        is_reducing = held * side < 0
        is_whole = not account.is_depth_limited and not is_maker and account.execution == "taker"
        if is_whole:
            assert qty >= rules.min_qty * (1 - 1e-9)
            if not (rules.is_exit_exempt and is_reducing):
                assert qty * price >= rules.min_notional_usdt * (1 - 1e-9)
        if is_maker:
            assert abs(price / rules.tick - round(price / rules.tick)) < 1e-3
        in_base = rules.is_buy_fee_in_base and side > 0
        cash -= side * qty * price + (0.0 if in_base else fee)
        held += side * qty - (fee / price if in_base else 0.0)
        if rules.kind == "spot":
            assert held >= -1e-12
            assert cash >= -1e-6
        elif not is_reducing:
            assert (cash + held * price) * rules.leverage_max >= abs(held) * price * (1 - 1e-6)
    assert (run.lots >= 0).all() or rules.kind != "spot"


def check_paper(run, tape, targets, rules, account):
    """The desk that paper trading runs on, fed row by row, has the same fills to the bit, the closing one included."""
    desk, fills = Desk(rules, account), []
    for u in range(len(tape)):
        mine = tape.prints[tape.offsets[u] : tape.offsets[u + 1]]
        row = (tape.timestamp[u], tape.bid[u], tape.ask[u], tape.bid_qty[u], tape.ask_qty[u])
        done = desk.advance(*row, prints=mine, funding=tape.funding[u])
        if u == len(tape) - 1:
            done += desk.close()
        fills += [(u, f.side, f.qty, f.price, f.fee_usdt, f.is_maker) for f in done]
        desk.decide(int(targets[u]), tape.latency_ms[u])
    names = ("row", "side", "qty", "price", "fee_usdt", "is_maker")
    assert fills == [tuple(f[n].item() for n in names) for f in run.fills]
    assert desk.equity_usdt == pytest.approx(run.equity_usdt[-1], abs=1e-9)
    assert desk.refused == run.refused
    SEEN["paper"] += 1


SEEN = {"paper": 0, "sequences": 0, "traded": 0, "fills": 0}


@HARD
@given(
    rules=st.sampled_from(all_rules()),
    account=ACCOUNTS,
    is_continuous=st.booleans(),
    latency=st.sampled_from([1, 1000, 2500, 7000]),
    ticks=st.sampled_from([0, 1, 50]),
    vol=st.sampled_from([0.5, 5.0, 50.0]),
    funding=st.sampled_from([0, 20]),
    seed=st.integers(0, 2**31),
)
def test_no_sequence_breaks_the_laws(
    world, rules, account, is_continuous, latency, ticks, vol, funding, seed
):
    """19,200 order sequences: money conserved to 1e-9, no order a venue rejects, spot never negative, paper is equal."""
    is_continuous = is_continuous and account.execution == "taker"
    price = 3_000.0 if rules.symbol.startswith("ETH") else 90_000.0
    rng = np.random.default_rng(seed)
    tape = world(120, seed, vol, ticks, latency, price, rules.tick, funding)
    for _ in range(SEQUENCES):
        targets = targets_of(rng, len(tape), is_continuous)
        run = simulate(tape, targets, rules, account, is_continuous=is_continuous)
        check_money(run, tape, rules)
        check_rules(run, rules, account)
        check_plausible(run, tape, rules)
        SEEN["sequences"] += 1
        SEEN["traded"] += bool(len(run.fills))
        SEEN["fills"] += len(run.fills)
    if not is_continuous:
        check_paper(run, tape, targets, rules, account)


def test_the_laws_were_tried_on_enough():
    """More than 10,000 of the sequences above really traded; the rest were refused throughout."""
    if not SEEN["sequences"]:
        pytest.skip("run together with the laws it counts")
    assert SEEN["fills"] > 200_000
    assert SEEN["traded"] >= 10_000, SEEN
    assert SEEN["paper"] > 200, SEEN


@SOME
@given(seed=st.integers(0, 2**31), extra=st.floats(0.1, 20), latency=st.sampled_from([1, 2500]))
def test_more_fees_never_pay(world, fine, seed, extra, latency):
    """The same orders at a higher fee end with less, for every sequence and not only on average."""
    rng = np.random.default_rng(seed)
    tape = world(200, seed, 3.0, 1, latency)
    targets = targets_of(rng, 200, False)
    dear = replace(fine, taker_bps=fine.taker_bps + extra)
    cheap_run, dear_run = simulate(tape, targets, fine), simulate(tape, targets, dear)
    assert len(cheap_run.fills) == len(dear_run.fills)
    assert dear_run.total_bps <= cheap_run.total_bps + 1e-9


@SOME
@given(
    seed=st.integers(0, 2**31),
    fee=st.floats(0, 10),
    rows=st.integers(0, 6),
    spread=st.floats(1, 5),
)
def test_hindsight_falls_with_fees_latency_and_spread(world, fine, seed, fee, rows, spread):
    """The bound never rises when the venue is dearer, slower or wider."""
    tape = world(150, seed, 3.0, 2, 1000)
    best = hindsight(step_rewards(tape, fine)).bound_bps
    worse = [
        step_rewards(tape, replace(fine, taker_bps=fine.taker_bps + fee)),
        step_rewards(tape.delayed(rows), fine),
        step_rewards(tape.stressed(spread=spread), fine),
    ]
    for steps in worse:
        assert hindsight(steps).bound_bps <= best + 1e-9


def test_a_taker_who_knows_earns_less_the_slower_and_the_dearer(world, fine):
    """A benchmark that reads a decaying signal earns less at each step of latency, fees and spread (mean of 60 markets)."""
    by_latency, by_fee, by_spread = np.zeros(4), np.zeros(3), np.zeros(3)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        signal = np.zeros(600)
        for t in range(1, 600):
            signal[t] = 0.9 * signal[t - 1] + rng.normal()
        base = world(600, seed, 1.0, 2, 1000)
        move = np.exp(np.cumsum(np.r_[0, signal[:-1]] * 1e-4))
        tape = replace(base, bid=base.bid * move, ask=base.ask * move)
        targets = np.where(np.abs(signal) > 1.5, np.sign(signal), 0)
        by_latency += [simulate(tape.delayed(k), targets, fine).total_bps for k in (0, 1, 3, 8)]
        by_fee += [simulate(tape, targets, fine.stressed(fees=k)).total_bps for k in (0.5, 1, 2)]
        by_spread += [simulate(tape.stressed(spread=k), targets, fine).total_bps for k in (1, 5, 50)]
    for ladder in (by_latency, by_fee, by_spread):
        assert (np.diff(ladder) < 0).all(), ladder


def test_a_worse_queue_never_fills_sooner(world):
    """One order, ever worse places: the quantity filled by any row never rises."""
    rules = load_rules("standx-like", "BTC-USD")
    for seed in range(20):
        tape = world(300, seed, 0.3, 1, 1)
        targets = np.ones(300)
        held = [
            simulate(tape, targets, rules, Account(execution="post_only", queue=q)).lots[:-1]
            for q in (0, 0.5, 1, 2, 5)
        ]
        first = [np.argmax(x > 0) if (x > 0).any() else len(x) for x in held]
        assert first == sorted(first)
