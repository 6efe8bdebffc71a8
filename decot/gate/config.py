"""Every bound of the gate, with its reason. Knows numbers only.

A profile may make a bound stricter. A looser one would be an override by another name: `loosened()` names it, and the
judge promotes nobody under it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """The bounds. Defaults are the house's, and the calibration was run with them; a looser one is refused by the judge."""

    capital_below_usdt: float = 20.0
    """an account at or above this is not what was designed, sized and simulated"""
    alpha: float = 0.05
    """error rate of all attempts together; each attempt spends its share"""
    dsr_min: float = 0.95
    """deflated Sharpe over both days: the probability that the choice among all trials was not luck"""
    pbo_max: float = 0.2
    """noise stays below this in 6 % of searches; below 0.5 in half of them"""
    oos_loss_max: float = 0.1
    """if the trials are all alike PBO says nothing (it passes 7 % of equally skilled fields); then the winner may
    lose in at most this share of splits: on noise it adds nothing to what PBO lets through, of equally skilled
    fields it passes 9 in 10"""
    pbo_blocks: int = 16
    trades_min: int = 60
    """round trips on the other day; fewer say nothing about fees and slippage"""
    power: float = 0.8
    """probability with which the trades still needed would show an edge of the size seen"""
    edge_over_cost_min: float = 1.5
    """gross edge per trade over cost per trade: below it a slightly worse fee eats the profit"""
    random_quantile: float = 0.95
    """the agent must beat this share of the random agents of the same turnover"""
    seeds_min: int = 5
    """seeds from which a finalist is retrained from scratch; one good seed is luck"""
    delay_keeps_min: float = 0.2
    """share of the Sharpe left when acting one bar later; less means the profit was in the bar itself"""
    delay_keeps_max: float = 1.5
    """more than this means the decision is better late: the clock is wrong"""
    oracle_share_max: float = 0.8
    """share of the hindsight bound. A linear rule on a calm recorded tape honestly reaches 0.53 without fees; who sees
    the next bar reaches 0.9"""
    win_rate_max: float = 0.97
    """share of winning trades, once there are `trades_min`"""
    trade_sharpe_max: float = 2.0
    """mean over spread of the gross trades, once there are `trades_min`; selective honest rules reach 1"""
    one_trade_share_max: float = 0.5
    """share of the net profit that the best single trade may carry"""
    drill_loss_max: float = 0.1
    """share of the capital an anomaly may cost"""
    refused_orders_max: float = 0.5
    """share of orders the venue refuses before we say the agent does not know its venue"""
    ruin_fraction: float = 0.2
    """a fall of this share of the capital counts as ruin"""
    ruin_max: float = 0.05
    """probability of ruin within `ruin_horizon` × the length of the other day"""
    ruin_horizon: float = 5.0
    head_p_max: float = 0.05
    head_entropy_min: float = 0.01
    """nats; below it a head says one thing only"""
    head_ablation_min: float = 0.001
    """share of decisions or words that must change when the head is cut off"""
    word_accuracy_min: float = 0.6
    word_over_chance_min: float = 0.15
    """accuracy above the accuracy of shuffled words"""
    word_intervention_min: float = 0.6
    word_stability_min: float = 0.7
    decision_share_of_bar: float = 0.05
    """p99 of one decision over the length of a bar: 5 ms at 100 ms bars"""
    bootstrap_draws: int = 2_000
    seed: int = 7
    """of the bootstraps: the same evidence gives the same figures"""


_LOOSER_WHEN_HIGHER = frozenset(
    (
        "capital_below_usdt",
        "alpha",
        "pbo_max",
        "oos_loss_max",
        "delay_keeps_max",
        "oracle_share_max",
        "win_rate_max",
        "trade_sharpe_max",
        "one_trade_share_max",
        "drill_loss_max",
        "refused_orders_max",
        "ruin_fraction",
        "ruin_max",
        "head_p_max",
        "decision_share_of_bar",
    )
)
_NOT_A_BOUND = {"pbo_blocks", "power", "bootstrap_draws", "seed"}


def loosened(cfg: GateConfig) -> tuple[str, ...]:
    """Bounds weaker than the house's, as `name 0.3 (house 0.2)`."""
    house = GateConfig()
    found = []
    for item in fields(GateConfig):
        ours, theirs = getattr(cfg, item.name), getattr(house, item.name)
        if item.name in _NOT_A_BOUND or ours == theirs:
            continue
        if (ours > theirs) == (item.name in _LOOSER_WHEN_HIGHER):
            found.append(f"{item.name} {ours:g} (house {theirs:g})")
    return tuple(found)
