"""The rules about money and luck: is there a profit, and is it more than chance and more than the market gave?

Knows the evidence and the bounds; knows nothing of how the agent decides. Source of the formulas: SSRN 1821643, 2460551.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri, stdtrit

from decot.gate.bootstrap import stationary_bootstrap_lower
from decot.gate.config import GateConfig
from decot.gate.figures import Evidence, Stretch
from decot.gate.overfit import pbo_cscv
from decot.gate.stats import (
    effective_trials,
    expected_max_sharpe,
    luck_variance,
    min_trl,
    moments,
    power_n,
    psr,
    spend_alpha,
)
from decot.gate.verdict import Rule


def luck_rules(evidence: Evidence, cfg: GateConfig) -> list[Rule]:
    """Every rule of this file, in the order of the card."""
    alpha = spend_alpha(cfg.alpha, evidence.attempt)
    judged = [evidence.validation, evidence.other_day]
    if evidence.other_market is not None:
        judged.append(evidence.other_market)
    rules = [_net_profit(stretch) for stretch in judged]
    rules += [_lower_bound(stretch, alpha, evidence.attempt, cfg) for stretch in judged]
    rules += [_deflated(evidence, cfg), _overfit(evidence, cfg), _track_record(evidence.other_day, alpha)]
    rules += [_enough_trades(evidence.other_day, cfg), _not_one_trade(evidence.other_day, cfg)]
    rules += [_edge_over_cost(evidence.other_day, cfg), _buy_hold(evidence), _random(evidence, cfg)]
    rules.append(_seeds(evidence, cfg))
    if evidence.ruin_probability is not None:
        rules.append(_ruin(evidence.ruin_probability, cfg))
    return rules


def trades_still_needed(evidence: Evidence, cfg: GateConfig) -> int:
    """Round trips to add on unseen data until an edge like the one seen would be told from luck; at least 1."""
    alpha = spend_alpha(cfg.alpha, evidence.attempt)
    wanted = [float(cfg.trades_min - evidence.other_day.n_trades)]
    for stretch in (evidence.validation, evidence.other_day):
        m, trades = moments(stretch.period_bps), moments(stretch.trade_bps)
        if stretch.n_trades < 2:
            continue
        wanted.append(power_n(trades.mean, trades.sd, alpha=alpha, power=cfg.power) - stretch.n_trades)
        periods = min_trl(m.sharpe, alpha=alpha, skew=m.skew, kurtosis=m.kurtosis)
        wanted.append((periods - m.n) * stretch.n_trades / max(m.n, 1))
    finite = [x for x in wanted if math.isfinite(x)]
    return max(1, math.ceil(max(finite)))


def _net_profit(stretch: Stretch) -> Rule:
    net = stretch.net_usdt
    free = float(stretch.gross_bps.sum())
    why = (
        f"{stretch.name}: {net:+.4f} USDT ({stretch.net_bps:+.1f} bps of {stretch.capital_usdt:g} USDT) "
        f"after fees and spread "
        f"with doubled latency, {stretch.n_trades} round trips"
    )
    if net <= 0 < free:
        why += f"; before costs the trades made {free:+.1f} bps of notional, so costs eat the whole edge"
    elif net <= 0:
        why += "; it loses money even before costs" if stretch.n_trades else "; it never trades"
    return Rule(f"net_profit:{stretch.key}", net, 0.0, net > 0, why + ".")


def _lower_bound(stretch: Stretch, alpha: float, attempt: int, cfg: GateConfig) -> Rule:
    rng = np.random.default_rng([cfg.seed, stretch.period_bps.size])
    low = stationary_bootstrap_lower(stretch.period_bps, alpha=alpha, draws=cfg.bootstrap_draws, rng=rng)
    verb = "stays above" if low > 0 else "reaches down to or below"
    why = (
        f"{stretch.name}: mean {stretch.mean_bps:+.3f} bps a period; its lower bound {low:+.3f} at "
        f"{100 * (1 - alpha):.2f} % "
        f"(attempt {attempt}, {stretch.period_bps.size} periods, block bootstrap) {verb} zero."
    )
    return Rule(f"lower_bound:{stretch.key}", low, 0.0, low > 0, why, refuses=False)


def _deflated(evidence: Evidence, cfg: GateConfig) -> Rule:
    """DSR of the whole record after training, validation and other day.

    Only validation was chosen on, so the Sharpe that luck explains there (effective N from clusters of the ledger's
    trials, their no-skill variance) counts for its share of the record.
    """
    trials, chosen_on = evidence.trials, evidence.validation.period_bps
    counted, n = trials_counted(evidence)
    has_field = trials.ndim == 2 and trials.shape[1] > 1
    variance = luck_variance(trials) if has_field else 1.0 / max(chosen_on.size - 1, 1)
    m = moments(np.concatenate([chosen_on, evidence.other_day.period_bps]))
    lucky = expected_max_sharpe(n, variance) * chosen_on.size / max(m.n, 1)
    figure = psr(m.sharpe, m.n, lucky, skew=m.skew, kurtosis=m.kurtosis) if m.sd > 0 else 0.0
    why = (
        f"Sharpe {m.sharpe:.3f} a period over both days against {lucky:.3f} that choosing the best of {counted} trials "
        f"({n:.0f} really different, attempt {evidence.attempt}) explains by luck: "
        f"{100 * figure:.1f} % sure that it is more."
    )
    return Rule("deflated_sharpe", figure, cfg.dsr_min, figure >= cfg.dsr_min, why, refuses=False)


def trials_counted(evidence: Evidence) -> tuple[int, float]:
    """All trials of the ledger, and how many of them are really different (clusters), later attempts included."""
    trials = evidence.trials
    if trials.ndim != 2 or trials.shape[1] == 0:
        return evidence.n_trials, float(max(evidence.n_trials, 1) + evidence.attempt - 1)
    sample = trials[:, :: max(1, math.ceil(trials.shape[1] / 2_000))]  # clustering is quadratic
    share = effective_trials(sample) / sample.shape[1]
    counted = max(evidence.n_trials, trials.shape[1])
    return counted, max(share * counted, 1.0) + evidence.attempt - 1


def _overfit(evidence: Evidence, cfg: GateConfig) -> Rule:
    found = pbo_cscv(evidence.trials, n_blocks=cfg.pbo_blocks) if evidence.trials.ndim == 2 else None
    if found is None or math.isnan(found.pbo):
        shape = "×".join(str(x) for x in evidence.trials.shape)
        why = f"the ledger holds {shape} periods × trials: too little to cross-validate the choice."
        return Rule("overfit_pbo", math.nan, cfg.pbo_max, False, why, refuses=False)
    alike = found.pbo > cfg.pbo_max and found.loss <= cfg.oos_loss_max
    passed = found.pbo <= cfg.pbo_max or alike
    why = (
        f"in {100 * found.pbo:.1f} % of {found.n_splits} splits the trial chosen on one half falls into "
        f"the worse half on the "
        f"other, and in {100 * found.loss:.1f} % it loses money there"
    )
    why += "; the trials are alike, so which one is chosen hardly matters." if alike else "."
    bound = f"{cfg.pbo_max:g}, or loss ≤ {cfg.oos_loss_max:g}"
    return Rule("overfit_pbo", found.pbo, bound, passed, why, refuses=found.loss > 0.5)


def _track_record(stretch: Stretch, alpha: float) -> Rule:
    m = moments(stretch.period_bps)
    needed = min_trl(m.sharpe, alpha=alpha, skew=m.skew, kurtosis=m.kurtosis)
    why = f"{stretch.name}: {m.n} periods at Sharpe {m.sharpe:.3f}; "
    why += (
        f"a record of {math.ceil(needed)} is needed to believe it."
        if math.isfinite(needed)
        else "no record is long enough for it."
    )
    return Rule("track_record", float(m.n), needed, m.n >= needed, why, refuses=False)


def _enough_trades(stretch: Stretch, cfg: GateConfig) -> Rule:
    n = stretch.n_trades
    why = f"{stretch.name}: {n} round trips, {cfg.trades_min} are the least that say something about fees and slippage."
    return Rule("enough_trades", float(n), float(cfg.trades_min), n >= cfg.trades_min, why, refuses=n == 0)


def _not_one_trade(stretch: Stretch, cfg: GateConfig) -> Rule:
    """The profit must not hang on one trade; refused if that trade is an outlier without which there is a loss."""
    trades = np.sort(stretch.trade_bps)
    bound, net = cfg.one_trade_share_max, float(trades.sum())
    if net <= 0:
        return Rule("not_one_trade", 0.0, bound, True, "there is no profit that one trade could carry.")
    best, rest = float(trades[-1]), trades[:-1]
    share = best / net
    outlier = rest.size < 2 or best - float(rest.mean()) > 5.0 * float(rest.std(ddof=1))
    why = f"{stretch.name}: the best of {trades.size} trades carries {100 * share:.1f} % of the profit"
    why += "; without that one lucky trade nothing is left." if outlier and share >= 1 else "."
    return Rule("not_one_trade", share, bound, share <= bound, why, refuses=outlier and share >= 1)


def _edge_over_cost(stretch: Stretch, cfg: GateConfig) -> Rule:
    """Fails for good only when even the upper bound of the gross edge does not cover the multiple of the cost."""
    if stretch.n_trades == 0:
        return Rule(
            "edge_over_cost", 0.0, cfg.edge_over_cost_min, False, f"{stretch.name}: no trade, no edge."
        )
    gross, cost = float(stretch.gross_bps.mean()), float(stretch.cost_bps.mean())
    spread = (
        float(stretch.gross_bps.std(ddof=1)) / math.sqrt(stretch.n_trades)
        if stretch.n_trades > 1
        else math.inf
    )
    ratio = gross / cost if cost > 1e-9 else (math.inf if gross > 0 else -math.inf)
    why = (
        f"{stretch.name}: a trade makes {gross:+.2f} bps before costs and pays {cost:.2f}; "
        f"the edge is {ratio:.2f} times the cost."
    )
    hopeless = gross + float(ndtri(0.95)) * spread < cfg.edge_over_cost_min * cost
    passed = gross >= cfg.edge_over_cost_min * cost and gross > 0
    return Rule("edge_over_cost", ratio, cfg.edge_over_cost_min, passed, why, refuses=hopeless)


def _buy_hold(evidence: Evidence) -> Rule:
    """Compared in Sharpe: a flat agent on a rising day is not worse for having risked less. Refused if clearly worse."""
    ours, theirs = moments(evidence.other_day.period_bps), moments(evidence.baselines.buy_hold.period_bps)
    why = (
        f"other day: Sharpe {ours.sharpe:.3f} a period against {theirs.sharpe:.3f} of buy-and-hold "
        f"({evidence.other_day.net_bps:+.1f} against {evidence.baselines.buy_hold.net_bps:+.1f} bps)."
    )
    ahead = ours.sharpe - theirs.sharpe
    clearly_worse = ahead < -1.645 * math.sqrt(2.0 / max(ours.n, 1))
    return Rule("beats_buy_hold", ahead, 0.0, ahead > 0, why, refuses=clearly_worse)


def _random(evidence: Evidence, cfg: GateConfig) -> Rule:
    draws = evidence.baselines.random_bps
    if draws.size == 0:
        return Rule(
            "beats_random", math.nan, cfg.random_quantile, False, "no random agent was drawn.", refuses=False
        )
    beaten = float((draws < evidence.other_day.net_bps).mean())
    why = (
        f"other day: better than {100 * beaten:.1f} % of {draws.size} agents that trade as often at random "
        f"(their median {float(np.median(draws)):+.1f} bps, ours {evidence.other_day.net_bps:+.1f})."
    )
    return Rule(
        "beats_random", beaten, cfg.random_quantile, beaten >= cfg.random_quantile, why, refuses=beaten < 0.5
    )


def _seeds(evidence: Evidence, cfg: GateConfig) -> Rule:
    """The lower bound over seeds counts, so that one good seed is not taken for a method."""
    x = np.asarray(evidence.seed_bps, dtype=np.float64)
    if x.size < max(cfg.seeds_min, 2):
        why = f"retrained from {x.size} seeds; {cfg.seeds_min} are needed to know that it was not the seed."
        return Rule("seeds", float(x.size), float(cfg.seeds_min), False, why, refuses=False)
    low = float(x.mean() - stdtrit(x.size - 1, 0.95) * x.std(ddof=1) / math.sqrt(x.size))
    why = (
        f"retrained from {x.size} seeds it makes {x.mean():+.1f} bps on average on the other day, worst {x.min():+.1f}; "
        f"the mean stays above {low:+.1f} with 95 %."
    )
    return Rule("seeds", low, 0.0, low > 0, why, refuses=bool(x.mean() <= 0))


def _ruin(probability: float, cfg: GateConfig) -> Rule:
    why = (
        f"in {100 * probability:.2f} % of resampled futures ({cfg.ruin_horizon:g} times the other day) the account falls by "
        f"{100 * cfg.ruin_fraction:.0f} %."
    )
    return Rule("ruin", probability, cfg.ruin_max, probability <= cfg.ruin_max, why)
