"""The attack suite: every known way to be promoted without skill is refused, and the reason is named.

Each agent here walks real tapes through the simulator and the very judge; certificates are attacked in test_certificate.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from decot.features.causality import check
from decot.gate.evidence import Ledgered, Scene, gather
from decot.gate.figures import Evidence
from decot.gate.nulls import Day, day, hysteresis, make_market, planted, signals
from decot.gate.rules import judge
from decot.market.account import Account
from decot.market.rules import VenueRules, load_rules

FREE = replace(load_rules("zero-fee", "BTC-USD"), taker_bps=0.0, maker_bps=0.0)
CHEAP = replace(FREE, taker_bps=0.5)
N = 14_400


def skilled(seed: int, edge_bps: float = 4.0) -> Scene:
    return follow(planted(N, edge_bps, 25.0, np.random.default_rng(seed), 0.05))


def follow(walk: Day, column: int = 0) -> Scene:
    return Scene(walk.tape, hysteresis(np.ascontiguousarray(walk.signals[:, column]), 1.0, 0.0))


def brought(
    good: Evidence, validation: Scene, other_day: Scene, rules: VenueRules = CHEAP, **changes
) -> Evidence:
    """Evidence gathered from scenes, sound in everything the scenes do not decide; the chosen one among 30 trials."""
    whole = gather(
        validation=validation,
        other_day=other_day,
        rules=rules,
        account=Account(),
        ledger=Ledgered(trials=np.empty((0, 0)), n_trials=30),
        period_bars=240,
        clock_ms=1_000,
        heads=good.heads,
        words=good.words,
        drills={"held": other_day},
        decision_p99_us=100.0,
        reproduced=True,
        feature_leaks=(),
        seed_scenes=[other_day] * 5,
        random_draws=60,
    )
    noise = np.random.default_rng(9).normal(size=(60, 29)) * whole.validation.period_bps.std()
    return replace(whole, trials=np.c_[whole.validation.period_bps, noise], **changes)


def refused(evidence: Evidence, *names: str) -> str:
    """The sentence of the first of `names`, all of which must have refused."""
    verdict = judge(evidence)
    assert verdict.verdict == "refused", verdict.reasons
    failing = {rule.name: rule.why for rule in verdict.rules if not rule.passed and rule.refuses}
    assert set(names) <= set(failing), failing
    return failing[names[0]]


def test_the_honest_agent_passes(evidence):
    """The control: with a real edge and nothing wrong, the same evidence is promoted."""
    verdict = judge(brought(evidence(), skilled(1), skilled(2)))
    assert verdict.verdict == "promoted", verdict.reasons


def leaking(seed: int, ahead: int, share: float = 1.0) -> tuple[Scene, np.ndarray]:
    """Decisions on the sum of the next `ahead` returns of a random walk, diluted with noise; and the returns."""
    rng = np.random.default_rng(seed)
    returns = rng.standard_normal(N)
    walk = day(returns, signals(N, rng), 0.01)
    coming = np.roll(np.convolve(returns, np.ones(ahead), "full")[ahead - 1 : ahead - 1 + N], -2) / np.sqrt(
        ahead
    )
    score = share * coming + np.sqrt(1 - share**2) * np.convolve(
        rng.standard_normal(N + 19), np.ones(20) / 4.47, "valid"
    )
    return Scene(walk.tape, hysteresis(score, 0.5, 0.0)), returns


def test_an_agent_that_knows_the_next_bar(evidence):
    """Who sees the next bar of a random walk takes more of the hindsight bound than anyone could."""
    whole = brought(evidence(), leaking(1, 1)[0], leaking(2, 1)[0], FREE)
    assert "who does not see the future" in refused(whole, "oracle:other_day", "win_rate")


def test_a_leaked_feature(evidence):
    """A weak leak over 20 bars looks like skill in every figure of profit; the causality check names it and
    it is refused."""
    whole = brought(evidence(), leaking(1, 20, 0.5)[0], leaking(2, 20, 0.5)[0], FREE)
    assert judge(whole).verdict == "promoted"  # nothing but looking for the leak finds it

    def build(frame: pl.DataFrame) -> pl.DataFrame:
        ahead = pl.col("mid").shift(-20).fill_null(pl.col("mid").last())
        return frame.select(honest=pl.col("mid").diff().fill_null(0.0), outlook=ahead - pl.col("mid"))

    source = pl.DataFrame({"mid": 60_000.0 + np.cumsum(leaking(2, 20)[1][:2_000])})
    caught = sorted({leak.column for leak in check(build, source, ["honest", "outlook"], targets=())})
    assert caught == ["outlook"]
    assert "outlook" in refused(replace(whole, feature_leaks=tuple(caught)), "feature_leaks")
    assert "nobody replaced the future" in refused(replace(whole, feature_leaks=None), "feature_leaks")


def test_a_leak_of_one_bar(evidence):
    """A leak worth one bar only lives in that bar: acting one bar later there is nothing left."""

    def peeking(seed: int) -> Scene:
        rng = np.random.default_rng(seed)
        returns = rng.standard_normal(N)
        walk = day(returns, signals(N, rng), 0.01)
        # decided at t, filled at t+1: knows the return t+1→t+2, in a fifth of the cases
        known = np.where(rng.random(N) < 0.2, np.sign(np.roll(returns, -2)), 0)
        return Scene(walk.tape, known.astype(np.int8))

    evidence_ = brought(evidence(), peeking(1), peeking(2), FREE)
    assert "as a leak would" in refused(evidence_, "delay")


def test_above_the_oracle(evidence):
    """A P&L no account could make is a bug."""
    whole = brought(evidence(), skilled(1), skilled(2))
    absurd = replace(whole.other_day, net_usdt=whole.other_day.oracle_usdt * 1.01)
    assert "a bug or a leak" in refused(replace(whole, other_day=absurd), "oracle:other_day")


def test_profit_only_at_zero_fees(evidence):
    """Three bps a trade are not enough where a round trip costs eight; the sentence says that costs eat it."""
    dear = replace(FREE, taker_bps=4.0)
    told = refused(brought(evidence(), skilled(1, 3.0), skilled(2, 3.0), dear), "net_profit:other_day")
    assert "costs eat the whole edge" in told
    assert judge(brought(evidence(), skilled(1, 3.0), skilled(2, 3.0), FREE)).verdict == "promoted"


def test_profit_only_on_the_tuning_day(evidence):
    """What was found on validation and is not there on another day is refused for that day."""
    null = make_market("random_walk", seed=3, bars=N)
    told = refused(brought(evidence(), skilled(1), follow(null.other_day)), "net_profit:other_day")
    assert told.startswith("other day: -")


def test_a_lucky_single_trade(evidence):
    """One trade that happened to be in the market when it jumped carries everything; it is named as luck."""

    def lucky(seed: int) -> Scene:
        returns = np.random.default_rng(seed).standard_normal(N) * 0.2
        returns[9_000] = 600.0
        walk = day(returns, signals(N, np.random.default_rng(seed)), 0.01)
        targets = hysteresis(np.ascontiguousarray(walk.signals[:, 0]), 1.5, 0.0)
        targets[8_950:9_050] = 1
        return Scene(walk.tape, targets)

    told = refused(brought(evidence(), lucky(1), lucky(2), CHEAP), "not_one_trade")
    assert "lucky trade" in told


def test_lots_the_venue_does_not_sell(evidence):
    """An edge that needs fractions of a lot is no edge: with the venue's lot nothing can be bought for 19 dollars."""
    coarse = replace(CHEAP, lot=0.001, min_qty=0.001)
    whole = brought(evidence(), skilled(1), skilled(2), coarse)
    assert "refuse" in refused(whole, "venue_rules", "enough_trades", "net_profit:other_day")


@pytest.mark.parametrize("index", range(8))
def test_a_dead_head(evidence, index):
    """Profit does not excuse a head that does nothing."""
    good = evidence()
    heads = list(good.heads)
    heads[index] = replace(heads[index], alive=False, ablation_change=0.0)
    whole = brought(replace(good, heads=tuple(heads)), skilled(1), skilled(2))
    assert refused(whole, f"head:{heads[index].name}").startswith(f"head {heads[index].name}: dead")


def test_shuffled_words(evidence):
    """Words that agree with the columns no more than shuffled ones are refused."""
    good = evidence()
    shuffled = replace(good.words, accuracy=good.words.shuffled, intervention=0.5)
    refused(
        brought(replace(good, words=shuffled), skilled(1), skilled(2)),
        "words:accuracy",
        "words:over_chance",
        "words:intervention",
    )


def test_a_trimmed_ledger(evidence):
    """Trials taken out of the count, or a broken chain, refuse the agent."""
    whole = brought(evidence(), skilled(1), skilled(2))
    assert "edited, trimmed" in refused(replace(whole, ledger_intact=False), "ledger")
    assert "counts 3 trials" in refused(replace(whole, n_trials=3), "ledger")


def test_another_schema_or_stale_data(evidence):
    """An artefact made from other columns or another version of the data is refused with the difference."""
    faults = ("schema 41 columns 1f3a, here 9bc2", "features version 3, here 5")
    told = refused(brought(evidence(), skilled(1), skilled(2), manifest_faults=faults), "manifest")
    assert all(fault in told for fault in faults)


def test_twenty_dollars(evidence):
    """An account of twenty dollars is not an account of less than twenty dollars."""
    refused(brought(evidence(), skilled(1), skilled(2), capital_usdt=20.0), "capital")


def test_an_agent_that_always_says_the_same(evidence):
    """Buy and hold on a rising day makes money and decides nothing."""
    rising = day(
        np.full(N, 0.02) + np.random.default_rng(0).standard_normal(N) * 0.1,
        signals(N, np.random.default_rng(1)),
        0.01,
    )
    held = Scene(rising.tape, np.ones(N, np.int8))
    refused(brought(evidence(), held, held), "decides:other_day", "not_one_trade")
