"""What every StandX benchmark stands on: the days, the rules of payment, the linear rule, and one way of teaching.

Receive clock; an order decided at the end of a bar meets the market one second later. `mid` is bps at mid, without lots
(the rule of the published linear figure); `net_bps` is of 19 USDT through the simulator, at the touch, with the lots and
the minimum notional of the StandX-like venue. Knows no ladder and no result.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl
import torch

from decot.context.regime_model import RegimeModel
from decot.context.regimes import RegimeConfig, fit, posteriors, regime_inputs
from decot.data.bars import build_bars
from decot.data.mirror import mirror
from decot.data.tape import RawTape
from decot.data.tapes import open_tape
from decot.features.batch import compute
from decot.features.config import FeatureConfig
from decot.features.observation import OBSERVATION, observe
from decot.features.scaler import Scaler
from decot.features.table import base_table, features_table
from decot.gate.bootstrap import stationary_bootstrap_lower
from decot.gate.evidence import periods
from decot.market.account import Account
from decot.market.rules import VenueRules, load_rules
from decot.market.simulate import simulate
from decot.market.steps import Steps, walk_bps
from decot.market.tape import Tape
from decot.model.agent import Agent, ModelConfig
from decot.model.lesson import Lesson
from decot.model.thoughts import Grounding
from decot.rl.algorithms import learn, plan
from decot.rl.ppo import PPOConfig
from schemas.columns import TARGETS

DELAY_MS, HORIZON_MS, CAPITAL = 1_000, 30_000, 19.0
IMBALANCES = ("order_imbalance", "imb_5", "imb_20", "imb_mean_5", "imb_mean_30", "imb_mean_120")
MEANS = ("imb20_mean_5", "imb20_mean_30", "imb20_mean_120")
RETURNS = ("ret_1", "ret_2", "ret_5", "ret_10", "ret_30", "ret_60", "ret_300")
LINEAR = (*IMBALANCES, *MEANS, *RETURNS, "flow_5", "flow_30", "flow_120")
CLOCK_AND_REGIME = tuple(
    k for k, name in enumerate(OBSERVATION) if name.startswith(("hour", "minute", "session", "regime"))
)
NOT_LINEAR = tuple(k for k, name in enumerate(OBSERVATION) if name not in LINEAR)
KEEP = 0.85
"""share of the running mean of weights that is kept at each look"""
SEAM = 330
"""rows left out between what teaches and what is tried"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way of teaching; the defaults are the ladder's."""

    algorithm: str = "ppo-exact"
    env_steps: int = 800_000
    ppo: dict[str, Any] = field(default_factory=lambda: {"batch": 32})
    model: dict[str, Any] = field(default_factory=lambda: {"conv_filters": 32, "lstm_units": 48})
    is_mirrored: bool = True
    hidden: tuple[int, ...] = CLOCK_AND_REGIME
    """columns of the observation that are blanked"""

    def learning(self) -> PPOConfig:
        """The settings of the algorithm; it looks, and averages its weights, every fourth update."""
        more = {"eval_every": 4} | self.ppo
        return plan(self.algorithm, PPOConfig(env_steps=self.env_steps), **more)


# Rows -------------------------------------------------------------------------------------------------


def tables(folder: Path, clock_ms: int = 1_000) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The features of the tape and of its mirror, bars by the local clock; regimes learnt on 06."""
    return tables_of(open_tape(folder), clock_ms, day="2026-01-06")


def tables_of(
    tape: RawTape, clock_ms: int, *, day: str = "", share: float = 0.5, regimes: RegimeModel | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same of any tape; regimes learnt on one of its days, or on its first part, or brought along."""
    bars = build_bars(tape, clock_ms, "recv")
    cfg, settings = FeatureConfig(clock_ms=clock_ms), RegimeConfig()
    x = regime_inputs(bars["close"].to_numpy(), settings)
    known = day_of(bars) == day if day else np.arange(len(x)) < share * len(x)
    weights = posteriors(regimes or fit(x[known], settings), x)
    around = {f"regime_{k}": weights[:, k] for k in range(weights.shape[1])}
    found = []
    for one in (bars, mirror(bars)):
        matrix = compute(one, cfg)
        found.append(features_table(base_table(one, cfg, matrix=matrix), matrix, around))
    return found[0], found[1]


def day_of(frame: pl.DataFrame) -> np.ndarray:
    """UTC day of each bar's end."""
    ends = (frame["timestamp"].to_numpy() - 1) // 86_400_000
    names = {int(d): datetime.fromtimestamp(int(d) * 86_400, UTC).date().isoformat() for d in np.unique(ends)}
    return np.array([names[int(d)] for d in ends])


def clock_of(rows: pl.DataFrame) -> int:
    """Milliseconds of a bar."""
    return int(rows["timestamp"][1] - rows["timestamp"][0])


def columns_of(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    return {name: rows[name].to_numpy() for name in rows.columns if name != "timestamp"}


# What a position pays ---------------------------------------------------------------------------------


def steps_of(rows: pl.DataFrame, fee_bps: float, *, at_mid: bool = True) -> Steps:
    """What a position decided at t pays: from the touch one second later to the touch one bar after that."""
    wait = max(1, DELAY_MS // clock_of(rows))
    bid, ask = rows["bid_price"].to_numpy(), rows["ask_price"].to_numpy()
    log = np.log((bid + ask) / 2) * 1e4
    ret = np.zeros(len(log))
    ret[: -wait - 1] = log[wait + 1 :] - log[wait:-1]
    half = (ask - bid) / (ask + bid) * 1e4 * (0.0 if at_mid else 1.0)
    cost = np.append(half[wait:], half[-wait:]) + fee_bps
    return Steps(ret_bps=ret, cost_buy_bps=cost, cost_sell_bps=cost.copy(), n_tradable=len(log) - wait - 1)


def rules_at(fee: float, maker: float | None = None) -> VenueRules:
    """The StandX-like venue at this fee."""
    return replace(
        load_rules("standx-like", "BTC-USD"), maker_bps=fee if maker is None else maker, taker_bps=fee
    )


def tape_of(rows: pl.DataFrame) -> Tape:
    """The touch of every bar; orders arrive one second later."""
    time, bid, ask, bid_qty, ask_qty = (
        rows[name].to_numpy() for name in ("timestamp", "bid_price", "ask_price", "bid_volume", "ask_volume")
    )
    return Tape.of(time, bid, ask, bid_qty, ask_qty, DELAY_MS)


def earned(rows: pl.DataFrame, fee: float, targets: np.ndarray) -> dict[str, Any]:
    """At mid without lots, and as 19 USDT would have earned it, with the gate's lower bound of the whole stretch.

    The bound is that of the gate: stationary block bootstrap of the profit per minute, one-sided 95 %.
    """
    wanted = targets.astype(np.int8)
    run = simulate(tape_of(rows), wanted, rules_at(fee), Account(capital_usdt=CAPITAL))
    mid = float(walk_bps(steps_of(rows, fee), wanted).sum())
    return {
        "mid": round(mid),
        "net_bps": round(run.total_bps),
        "net_lower95": lower_bound(run.net_bps, 60_000 // clock_of(rows)),
        "net_usdt": round(run.pnl_usdt, 3),
        "changes": int(np.abs(np.diff(wanted.astype(int), prepend=0)).sum()),
        "trades": run.n_trades,
    }


def lower_bound(net_bps: np.ndarray, bars_a_minute: int) -> int:
    """One-sided 95 % lower bound of the sum, from minutes resampled in blocks as the gate does; 0 for a flat account."""
    minutes = periods(net_bps, bars_a_minute)
    if not minutes.any():
        return 0
    lower = stationary_bootstrap_lower(minutes, alpha=0.05, draws=2_000, rng=np.random.default_rng(0))
    return round(float(lower) * minutes.size)


# The linear rule --------------------------------------------------------------------------------------


def linear(
    taught: pl.DataFrame, tried: pl.DataFrame, names: tuple[str, ...] = LINEAR
) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares forecasts of the next 30 s from one second on: on the rows it was fitted on, and on the others."""
    x, other = (np.clip(frame.select(names).to_numpy(), -1e6, 1e6) for frame in (taught, tried))
    mean, sd = x.mean(0), x.std(0) + 1e-12
    x, other = (np.column_stack([np.clip((z - mean) / sd, -8, 8), np.ones(len(z))]) for z in (x, other))
    wanted = coming(taught)
    weights = np.linalg.lstsq(x[: len(wanted)], wanted, rcond=None)[0]
    return x @ weights, other @ weights


def coming(rows: pl.DataFrame) -> np.ndarray:
    """Return in bps over the 30 s that begin one second on; shorter than the rows by as much."""
    clock = clock_of(rows)
    wait, far = max(1, DELAY_MS // clock), HORIZON_MS // clock
    log = np.log(rows["close"].to_numpy()) * 1e4
    n = len(log) - far - wait
    return np.asarray(log[far + wait :] - log[wait : wait + n])


def best_level(fitted: np.ndarray, steps: Steps) -> float:
    """The threshold that would have earned most on the rows a forecast was fitted on."""
    levels = np.quantile(np.abs(fitted), np.linspace(0, 0.999, 60))
    return float(max(levels, key=lambda x: float(walk_bps(steps, threshold_walk(fitted, x)).sum())))


def threshold_walk(forecast: np.ndarray, level: float) -> np.ndarray:
    """Long above the level, short below minus it, else stay."""
    wish = np.where(forecast > level, 1, np.where(forecast < -level, -1, 0))
    last = np.maximum.accumulate(np.where(wish != 0, np.arange(len(wish)), -1))
    return np.where(last >= 0, wish[last], 0).astype(np.int8)


def ahead(rows: pl.DataFrame, seconds: int) -> np.ndarray:
    """Log return of the next seconds, as far as the rows go."""
    log, far = np.log(rows["close"].to_numpy()), seconds * 1_000 // clock_of(rows)
    return np.asarray(log[np.minimum(np.arange(len(log)) + far, len(log) - 1)] - log)


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    return round(float(np.corrcoef(x, y)[0, 1]), 3)


# Teaching ---------------------------------------------------------------------------------------------


def lesson_of(
    rows: pl.DataFrame,
    scaler: Scaler,
    grounding: Grounding,
    hidden: tuple[int, ...] = CLOCK_AND_REGIME,
    extra: np.ndarray | None = None,
) -> Lesson:
    """Rows as an agent reads them, some columns blanked, some inputs of one's own beside them."""
    obs = scaler.apply(observe(rows)).astype(np.float32)
    obs[:, list(hidden)] = 0
    if extra is not None:
        obs = np.concatenate([obs, extra.astype(np.float32)], 1)
    wanted = np.stack([rows[name].to_numpy().astype(np.float32) for name in TARGETS], 1)
    return Lesson(obs, grounding.label(columns_of(rows)), wanted)


def joined(first: tuple[Lesson, Steps], second: tuple[Lesson, Steps]) -> tuple[Lesson, Steps]:
    """Two lessons one after the other; a stretch across the seam is one in some three hundred."""
    (a, x), (b, y) = first, second
    lesson = Lesson(
        *(np.concatenate([getattr(a, name), getattr(b, name)]) for name in ("obs", "words", "targets"))
    )
    ret, buy, sell = (np.concatenate([getattr(x, name), getattr(y, name)])
                      for name in ("ret_bps", "cost_buy_bps", "cost_sell_bps"))  # fmt: skip
    steps = Steps(ret_bps=ret, cost_buy_bps=buy, cost_sell_bps=sell, n_tradable=len(x) + y.n_tradable)
    return lesson, steps


def teach(
    recipe: Recipe,
    lesson: tuple[Lesson, Steps],
    seed: int,
    *,
    validation: tuple[Lesson, Steps] | None = None,
    start: Agent | None = None,
) -> tuple[Agent, Agent]:
    """One seed: (weights averaged over the looks at full costs, weights of the last or, on validation, the best look).

    `start` is an agent that goes on from its weights; without it, one is made.
    """
    torch.set_num_threads(1)
    agent = start or Agent(ModelConfig(n_features=lesson[0].obs.shape[1], **recipe.model), seed)
    mean: dict[str, torch.Tensor] = {}

    def look(line: dict[str, float]) -> None:
        if line["cost"] < 1:
            return
        for name, weight in agent.state_dict().items():
            now = weight.detach().double()
            mean[name] = mean[name] * KEEP + now * (1 - KEEP) if name in mean else now.clone()

    last = learn(agent, *lesson, recipe.learning(), validation=validation, seed=seed, callback=look).agent
    averaged = Agent(agent.cfg)
    averaged.load_state_dict({name: weight.float() for name, weight in mean.items()})
    return averaged.eval(), last.eval()
