"""The judge: skill is promoted, and every single thing that may be wrong changes the verdict and is named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from decot.gate.config import GateConfig, loosened
from decot.gate.figures import Drill, Stress
from decot.gate.rules import judge


def test_skill_is_promoted(evidence):
    """An agent that is good in every respect passes every rule."""
    verdict = judge(evidence())
    assert verdict.verdict == "promoted", verdict.reasons
    assert all(rule.passed for rule in verdict.rules)
    assert verdict.trades_needed == 0
    assert verdict.exit_code == 0


def test_same_evidence_same_figures(evidence):
    """The judge draws with its own seed: twice the same evidence is twice the same JSON."""
    first, second = judge(evidence()).as_json(), judge(evidence()).as_json()
    assert json.dumps(first, allow_nan=False) == json.dumps(second, allow_nan=False)
    assert set(first["rules"][0]) == {"name", "figure", "bound", "passed", "why"}


def test_too_few_trades_is_the_third_verdict(evidence, make_stretch):
    """The same edge seen on a tenth of the trades is neither promoted nor refused; the number missing is given."""
    short = make_stretch("other day", 0.15, n=30, seed=3)
    verdict = judge(evidence(other_day=short, delayed=make_stretch("late", 0.12, n=30, seed=4)))
    assert verdict.verdict == "insufficient_evidence", verdict.reasons
    assert verdict.exit_code == 4
    # one-sided test at alpha·6/π² with 80 % power needs ((1.876+0.842)/0.15)² ≈ 328 trades; 30 are there
    assert 270 <= verdict.trades_needed <= 320


def test_no_profit_is_refused_not_unknown(evidence, make_stretch):
    """A loss on the other day is a refusal that names the day and says what costs did."""
    costly = make_stretch("other day", -0.2, seed=3)
    costly = replace(costly, gross_bps=costly.period_bps + 1.0, cost_bps=np.ones(200))
    verdict = judge(evidence(other_day=costly))
    assert verdict.verdict == "refused"
    assert verdict.exit_code == 3
    assert "costs eat the whole edge" in verdict.rule("net_profit:other_day").why


SPOILED = {
    "capital": ({"capital_usdt": 20.0}, "capital", "less than 20"),
    "ledger": ({"ledger_intact": False}, "ledger", "edited, trimmed"),
    "uncounted": ({"n_trials": 3}, "ledger", "counts 3"),
    "leak": ({"feature_leaks": ("future_return_5s",)}, "feature_leaks", "future_return_5s"),
    "leaks not looked for": ({"feature_leaks": None}, "feature_leaks", "nobody replaced"),
    "manifest": ({"manifest_faults": ("schema ab is not cd",)}, "manifest", "schema ab"),
    "drill": ({"drills": (Drill(name="flash_crash", loss=0.4),)}, "drill:flash_crash", "40.00 %"),
    "no drill": ({"drills": ()}, "drills", "no anomaly"),
    "no heads": ({"heads": ()}, "heads", "no head"),
    "no words": ({"words": None}, "words", "not measured"),
    "slow": ({"decision_p99_us": 80_000.0}, "decision_latency", "80000"),
    "unmeasured": ({"decision_p99_us": float("nan")}, "decision_latency", "nan"),
    "other P&L": ({"reproduced": False}, "reproduced", "another P&L"),
    "not reproduced": ({"reproduced": None}, "reproduced", "nobody"),
    "ruin": ({"ruin_probability": 0.3}, "ruin", "30.00 %"),
    "seeds": ({"seed_bps": (-10.0, -5.0, 2.0, -8.0, 1.0)}, "seeds", "5 seeds"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_one_spoiled_thing_is_refused_and_named(evidence, case):
    """Skill does not excuse anything: one broken rule refuses, and its sentence has the number."""
    changes, name, told = SPOILED[case]
    verdict = judge(evidence(**changes))
    assert verdict.verdict == "refused"
    assert [rule.name for rule in verdict.rules if not rule.passed] == [name]
    assert told in verdict.rule(name).why
    assert verdict.rule(name).why in verdict.reasons


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize(
    "change", [{"alive": False}, {"p_value": 0.4}, {"entropy": 0.0}, {"ablation_change": 0.0}]
)
def test_each_dead_head_is_named(evidence, index, change):
    """Any of the four signs of death, in any head, refuses the agent and names that head."""
    heads = list(evidence().heads)
    heads[index] = replace(heads[index], **change)
    verdict = judge(evidence(heads=tuple(heads)))
    assert verdict.verdict == "refused"
    assert verdict.reasons[0].startswith(f"head {heads[index].name}: dead")


@pytest.mark.parametrize(
    "change", [{"accuracy": 0.3}, {"intervention": 0.2}, {"stability": 0.1}, {"reparse": 0.99}]
)
def test_broken_words_are_refused(evidence, change):
    """Each figure of the explanations has a floor; shuffled words are caught by their accuracy against chance."""
    assert judge(evidence(words=replace(evidence().words, **change))).verdict == "refused"
    shuffled = replace(evidence().words, accuracy=0.62, shuffled=0.6)
    assert judge(evidence(words=shuffled)).rule("words:over_chance").passed is False


def test_above_the_oracle_is_a_bug(evidence):
    """More than hindsight allows is refused as a bug or a leak, however good the rest."""
    absurd = replace(evidence().other_day, oracle_usdt=evidence().other_day.net_usdt * 0.9)
    verdict = judge(evidence(other_day=absurd))
    assert verdict.verdict == "refused"
    assert "above the" in verdict.rule("oracle:other_day").why


def test_profit_of_one_bar_is_refused(evidence, make_stretch):
    """A Sharpe that vanishes one bar later, or that rises, fails the delay drill."""
    gone = judge(evidence(delayed=make_stretch("late", 0.0, seed=4)))
    risen = judge(evidence(delayed=make_stretch("late", 0.9, seed=4)))
    assert (gone.verdict, risen.verdict) == ("refused", "refused")
    assert "as a leak would" in gone.rule("delay").why
    assert "nothing true gets better" in risen.rule("delay").why


def test_dearer_may_not_be_better(evidence):
    """Fees that raise a result are a broken simulator, not a discovery."""
    odd = tuple(
        Stress(fee_x=x, latency_x=1.0, net_usdt=0.1, net_bps=net, n_trades=9)
        for x, net in ((1.0, 50.0), (1.5, 60.0), (2.0, 40.0))
    )
    assert judge(evidence(stress=odd)).rule("fees_hurt").passed is False


def test_one_seed_is_not_enough(evidence):
    """Fewer than five retrainings leave the question open; five that make nothing on average answer it."""
    assert judge(evidence(seed_bps=(90.0,))).verdict == "insufficient_evidence"
    assert judge(evidence(seed_bps=())).rule("seeds").refuses is False
    assert judge(evidence(seed_bps=(300.0, -10.0, -20.0, 5.0, -15.0))).verdict == "insufficient_evidence"


def test_attempts_spend_alpha(evidence, make_stretch):
    """What the first attempt would let pass, the tenth does not."""
    close = {
        "other_day": make_stretch("other day", 0.17, seed=3),
        "delayed": make_stretch("late", 0.12, seed=4),
    }
    assert judge(evidence(**close)).verdict == "promoted"
    assert judge(evidence(**close, attempt=10)).verdict == "insufficient_evidence"


def test_looser_bounds_promote_nobody(evidence):
    """A profile that loosens a bound is an override by another name, and is refused with the bound's name."""
    loose = GateConfig(dsr_min=0.5)
    assert loosened(loose) == ("dsr_min 0.5 (house 0.95)",)
    assert judge(evidence(), loose).verdict == "refused"
    assert judge(evidence(), GateConfig(dsr_min=0.99, pbo_max=0.15)).verdict == "promoted"


def test_noise_among_noise_is_not_promoted(evidence, make_stretch):
    """The best of 40 skill-less trials, with no profit elsewhere either, never passes."""
    rng = np.random.default_rng(8)
    trials = rng.normal(size=(200, 40))
    best = trials[:, trials.mean(axis=0).argmax()]
    validation = replace(make_stretch("validation", 0.1), period_bps=best)
    verdict = judge(evidence(trials=trials, validation=validation, other_day=make_stretch("other day", 0.05)))
    assert verdict.verdict != "promoted"
    assert not verdict.rule("deflated_sharpe").passed
