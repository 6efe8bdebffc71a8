"""The rules about conduct: capital, alarms, drills, heads, words, speed, and whether it can be reproduced.

Knows the evidence and the bounds. Every rule here refuses when it fails: none of them gets better with more data.
"""

from __future__ import annotations

import itertools
import math

from decot.gate.config import GateConfig, loosened
from decot.gate.figures import Evidence, HeadFigure, Stretch, WordFigures
from decot.gate.stats import moments
from decot.gate.verdict import Rule


def conduct_rules(evidence: Evidence, cfg: GateConfig) -> list[Rule]:
    """Every rule of this file, in the order of the card."""
    rules = [
        _capital(evidence, cfg),
        _house_bounds(cfg),
        _ledger(evidence),
        _manifest(evidence),
        _leaks(evidence),
    ]
    judged = [evidence.validation, evidence.other_day]
    judged += [] if evidence.other_market is None else [evidence.other_market]
    for stretch in judged:
        rules += [_oracle(stretch, cfg), _actions(stretch)]
    rules += [_win_rate(evidence.other_day, cfg), _trade_sharpe(evidence.other_day, cfg)]
    rules += [_venue(evidence.other_day, cfg), _delay(evidence, cfg)]
    rules += _monotone(evidence)
    rules += [_drill(drill.name, drill.loss, cfg) for drill in evidence.drills]
    if not evidence.drills:
        rules.append(Rule("drills", 0.0, "at least 1", False, "no anomaly drill was run."))
    rules += [_head(head, cfg) for head in evidence.heads]
    if not evidence.heads:
        rules.append(Rule("heads", 0.0, "at least 1", False, "no head was examined."))
    rules += _words(evidence.words, cfg)
    rules += [_speed(evidence, cfg), _reproduced(evidence)]
    return rules


def _capital(evidence: Evidence, cfg: GateConfig) -> Rule:
    most = max(evidence.capital_usdt, evidence.validation.capital_usdt, evidence.other_day.capital_usdt)
    bound = min(cfg.capital_below_usdt, 20.0)
    why = f"the account holds {most:g} USDT and must hold less than {bound:g}."
    return Rule("capital", most, bound, 0 < most < bound, why)


def _house_bounds(cfg: GateConfig) -> Rule:
    weaker = loosened(cfg)
    why = (
        "every bound is the house's or stricter."
        if not weaker
        else f"looser than the house: {'; '.join(weaker)}."
    )
    return Rule("house_bounds", float(len(weaker)), 0.0, not weaker, why)


def _ledger(evidence: Evidence) -> Rule:
    why = (
        f"the ledger's chain of hashes holds over {evidence.n_trials} trials."
        if evidence.ledger_intact
        else "the trial ledger was edited, trimmed or reordered: what was tried cannot be counted."
    )
    counted = evidence.n_trials >= (evidence.trials.shape[1] if evidence.trials.ndim == 2 else 0)
    if evidence.ledger_intact and not counted:
        why = f"the ledger counts {evidence.n_trials} trials but holds the P&L of {evidence.trials.shape[1]}."
    return Rule("ledger", float(evidence.n_trials), "intact", evidence.ledger_intact and counted, why)


def _manifest(evidence: Evidence) -> Rule:
    faults = evidence.manifest_faults
    why = (
        "schema, data versions and code are those it was trained on."
        if not faults
        else "; ".join(faults) + "."
    )
    return Rule("manifest", float(len(faults)), 0.0, not faults, why)


def _leaks(evidence: Evidence) -> Rule:
    """A weak leak over many bars looks like skill in every other figure, so nobody passes unexamined."""
    leaks = evidence.feature_leaks
    if leaks is None:
        why = "nobody replaced the future to see whether an input changes; a weak leak looks like skill."
        return Rule("feature_leaks", math.nan, 0.0, False, why)
    why = "no input changed when the future was replaced."
    if leaks:
        why = f"{len(leaks)} input(s) change when the future is replaced: {', '.join(leaks)}."
    return Rule("feature_leaks", float(len(leaks)), 0.0, not leaks, why)


def _oracle(stretch: Stretch, cfg: GateConfig) -> Rule:
    net, most = stretch.net_usdt, stretch.oracle_usdt
    share = net / most if most > 0 else (math.inf if net > 0 else 0.0)
    if net > most:
        why = (
            f"{stretch.name}: {net:.4f} USDT is above the {most:.4f} that hindsight allows: a bug or a leak."
        )
    elif share > cfg.oracle_share_max:
        why = (
            f"{stretch.name}: {100 * share:.1f} % of what hindsight allows ({most:.4f} USDT); nobody who does not see "
            "the future comes near it."
        )
    else:
        why = f"{stretch.name}: {100 * share:.1f} % of what hindsight allows ({most:.4f} USDT)."
    return Rule(f"oracle:{stretch.key}", share, cfg.oracle_share_max, share <= cfg.oracle_share_max, why)


def _actions(stretch: Stretch) -> Rule:
    n = stretch.n_actions
    why = f"{stretch.name}: it asks for {n} different position(s); fewer than 2 is no decision."
    return Rule(f"decides:{stretch.key}", float(n), 2.0, n >= 2, why)


def _win_rate(stretch: Stretch, cfg: GateConfig) -> Rule:
    trades = stretch.trade_bps
    rate = float((trades > 0).mean()) if trades.size else 0.0
    absurd = trades.size >= cfg.trades_min and rate > cfg.win_rate_max
    why = f"{stretch.name}: {100 * rate:.1f} % of {trades.size} trades win" + (
        "; that is too good to be true." if absurd else "."
    )
    return Rule("win_rate", rate, cfg.win_rate_max, not absurd, why)


def _trade_sharpe(stretch: Stretch, cfg: GateConfig) -> Rule:
    m = moments(stretch.gross_bps)
    absurd = m.n >= cfg.trades_min and m.sharpe > cfg.trade_sharpe_max
    why = f"{stretch.name}: before costs a trade makes {m.sharpe:.2f} times its own spread"
    why += "; trades that sure are made by those who see the future." if absurd else "."
    return Rule("trade_sharpe", m.sharpe, cfg.trade_sharpe_max, not absurd, why)


def _venue(stretch: Stretch, cfg: GateConfig) -> Rule:
    orders = stretch.refused_orders + 2 * stretch.n_trades
    share = stretch.refused_orders / orders if orders else 0.0
    why = (
        f"{stretch.name}: the venue's rules (lot, minimum notional, margin) refuse {stretch.refused_orders} of {orders} "
        f"orders ({100 * share:.1f} %)."
    )
    return Rule("venue_rules", share, cfg.refused_orders_max, share <= cfg.refused_orders_max, why)


def _delay(evidence: Evidence, cfg: GateConfig) -> Rule:
    """Refused only where the change is no accident: a vanished Sharpe that was there, or a rise beyond noise."""
    now, late = moments(evidence.other_day.period_bps), moments(evidence.delayed.period_bps)
    bound = f"{cfg.delay_keeps_min:g}…{cfg.delay_keeps_max:g}"
    if now.sharpe <= 0:
        return Rule("delay", 0.0, bound, True, "there is no Sharpe that a delay could destroy.")
    kept = late.sharpe / now.sharpe
    why = (
        f"decided one bar later the Sharpe goes from {now.sharpe:.3f} to {late.sharpe:.3f} a period "
        f"({100 * kept:.0f} % is left)"
    )
    sure = False
    if kept < cfg.delay_keeps_min:
        sure = now.sharpe * math.sqrt(now.n) > 1.645
        why += "; it lives in the very bar it acts on, as a leak would"
    elif kept > cfg.delay_keeps_max:
        sure = late.mean - now.mean > 1.645 * math.hypot(now.sd, late.sd) / math.sqrt(max(now.n, 1))
        why += "; nothing true gets better by being late"
    passed = cfg.delay_keeps_min <= kept <= cfg.delay_keeps_max
    return Rule(
        "delay",
        kept,
        bound,
        passed,
        why + ("." if passed or sure else ", or the sample is too small."),
        refuses=sure,
    )


def _monotone(evidence: Evidence) -> list[Rule]:
    """Higher fees may not raise the result of the same decisions; a little may, since a poorer account trades less."""
    at = {s.fee_x: s.net_bps for s in evidence.stress if s.latency_x == 1.0}
    if len(at) < 2:
        return []
    pairs = list(itertools.pairwise(at[x] for x in sorted(at)))
    worst = max(dearer - cheaper for cheaper, dearer in pairs)
    passed = all(dearer - cheaper <= 1.0 + 0.01 * abs(cheaper) for cheaper, dearer in pairs)
    told = ", ".join(f"×{x:g} {at[x]:+.1f}" for x in sorted(at))
    return [
        Rule(
            "fees_hurt",
            worst,
            "≤ 1 bps + 1 %",
            passed,
            f"net bps by fee level: {told}; dearer may not be better.",
        )
    ]


def _drill(name: str, loss: float, cfg: GateConfig) -> Rule:
    why = f"{name.replace('_', ' ')}: the account loses {100 * loss:.2f} % of its capital."
    return Rule(f"drill:{name}", loss, cfg.drill_loss_max, loss <= cfg.drill_loss_max, why)


def _head(head: HeadFigure, cfg: GateConfig) -> Rule:
    """A head is dead if any of its four signs of life is missing; the sentence names which."""
    missing = []
    if not head.alive:
        missing.append("it is constant or has no gradient")
    if not head.entropy >= cfg.head_entropy_min:
        missing.append(f"it always says the same (entropy {head.entropy:.4f})")
    if not head.p_value < cfg.head_p_max:
        missing.append(f"it is no better than a constant (p {head.p_value:.3f})")
    if not head.ablation_change >= cfg.head_ablation_min:
        missing.append(f"cutting it off changes {100 * head.ablation_change:.2f} % of what is decided")
    why = f"head {head.name}: " + (
        "dead: " + ", ".join(missing)
        if missing
        else f"p {head.p_value:.3f} against a constant, {100 * head.ablation_change:.1f} % depends on it"
    )
    return Rule(f"head:{head.name}", head.p_value, cfg.head_p_max, not missing, why + ".")


def _words(words: WordFigures | None, cfg: GateConfig) -> list[Rule]:
    if words is None:
        return [Rule("words", 0.0, "measured", False, "the explanations were not measured.")]
    over = words.accuracy - words.shuffled
    rows = (
        ("accuracy", words.accuracy, cfg.word_accuracy_min, "of the words agree with the columns they name"),
        ("over_chance", over, cfg.word_over_chance_min, "more of them agree than of shuffled words"),
        (
            "intervention",
            words.intervention,
            cfg.word_intervention_min,
            "of forced answers move the action as they say",
        ),
        ("stability", words.stability, cfg.word_stability_min, "of the words stay under small noise"),
        ("reparse", words.reparse, 1.0, "of the sentences parse back to the same words"),
    )
    return [
        Rule(f"words:{name}", x, bound, x >= bound, f"{100 * x:.1f} % {told} ({100 * bound:.0f} % needed).")
        for name, x, bound, told in rows
    ]


def _speed(evidence: Evidence, cfg: GateConfig) -> Rule:
    budget = evidence.clock_ms * 1_000.0 * cfg.decision_share_of_bar
    p99 = evidence.decision_p99_us
    why = f"one decision takes {p99:.0f} µs (p99) of the {budget:.0f} it may take in a bar of {evidence.clock_ms} ms."
    return Rule("decision_latency", p99, budget, p99 <= budget, why)


def _reproduced(evidence: Evidence) -> Rule:
    said = {
        True: "the artefact, loaded anew, made the same P&L bit for bit.",
        False: "the artefact, loaded anew, made another P&L: what was judged is not what would trade.",
        None: "nobody loaded the artefact anew to see whether it makes the same P&L.",
    }
    return Rule(
        "reproduced",
        float(evidence.reproduced is True),
        1.0,
        evidence.reproduced is True,
        said[evidence.reproduced],
    )
