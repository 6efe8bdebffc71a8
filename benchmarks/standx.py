"""StandX 06 → 07: forecasts beside least squares, and the honest P&L ladder by fee. Needs the recorded tapes.

`DECOT_TAPES=… python -m benchmarks.standx --json [--seeds N] [--env-steps N] [--fees 1]`. Receive clock, 1-s bars, orders
arrive 1 s after the decision. Everything is learned and chosen on 06; 07 is looked at once, at the end, by every rung:

- least-squares: the 30-s return on imbalances, their means, returns and signed flow; its threshold chosen on 06.
- sb3-ppo: Stable-Baselines3's PPO on single rows and the account, taught in the market with lots (`decot.rl.sb3`).
- ours: taught on the first 80 % of 06 and its mirror (`decot.data.mirror`), weights averaged over the looks at full
  costs; the last 20 % of 06 chooses the seed. Time of day and regime are hidden from it: one day cannot teach them.
- vote: the mean of the decision probabilities of all seeds.

`mid`: bps at mid, without lots (the rule of the published linear figure). `net_bps`: of 19 USDT through the simulator, at
the touch, with the lots and the minimum notional of the StandX-like venue. An oracle bound stands beside both.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl
import torch

from decot.context.regimes import RegimeConfig, fit, posteriors, regime_inputs
from decot.data.bars import build_bars
from decot.data.mirror import mirror
from decot.data.tapes import open_tape
from decot.features.batch import compute
from decot.features.config import FeatureConfig
from decot.features.observation import OBSERVATION, observe
from decot.features.scaler import Scaler
from decot.features.table import base_table, features_table
from decot.market.account import Account
from decot.market.exact import hindsight
from decot.market.rules import VenueRules, load_rules
from decot.market.simulate import simulate
from decot.market.steps import Steps, walk_bps
from decot.market.tape import Tape
from decot.model.agent import Agent, ModelConfig
from decot.model.lesson import Lesson
from decot.model.play import decide, walk
from decot.model.thoughts import Grounding
from decot.rl.ppo import PPOConfig, train
from decot.rl.sb3 import Venue, train_sb3
from schemas.columns import TARGETS

DELAY_S, HORIZON_S = 1, 30
IMBALANCES = ("order_imbalance", "imb_5", "imb_20", "imb_mean_5", "imb_mean_30", "imb_mean_120")
MEANS = ("imb20_mean_5", "imb20_mean_30", "imb20_mean_120")
RETURNS = ("ret_1", "ret_2", "ret_5", "ret_10", "ret_30", "ret_60", "ret_300")
LINEAR = (*IMBALANCES, *MEANS, *RETURNS, "flow_5", "flow_30", "flow_120")
HIDDEN = [k for k, name in enumerate(OBSERVATION) if name.startswith(("hour", "minute", "session", "regime"))]
KEEP = 0.85
"""share of the running mean of weights that is kept at each look"""


def tables(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The features of the tape and of its mirror, 1-s bars by the local clock; regimes learnt on 06."""
    tape = open_tape(folder)
    bars = build_bars(tape, 1_000, "recv")
    cfg, regimes = FeatureConfig(), RegimeConfig()
    x = regime_inputs(bars["close"].to_numpy(), regimes)
    days = day_of(bars)
    model = fit(x[days == "2026-01-06"], regimes)
    weights = posteriors(model, x)
    around = {f"regime_{k}": weights[:, k] for k in range(weights.shape[1])}
    matrix, mirrored = compute(bars, cfg), compute(mirror(bars), cfg)
    return (
        features_table(base_table(bars, cfg, matrix=matrix), matrix, around),
        features_table(base_table(mirror(bars), cfg, matrix=mirrored), mirrored, around),
    )


def day_of(frame: pl.DataFrame) -> np.ndarray:
    """UTC day of each bar's end."""
    names = {d: datetime.fromtimestamp(d * 86_400, UTC).date().isoformat() for d in range(20_000, 21_000)}
    return np.array([names[int(d)] for d in (frame["timestamp"].to_numpy() - 1) // 86_400_000])


def steps_of(rows: pl.DataFrame, fee_bps: float, *, at_mid: bool) -> Steps:
    """What a position decided at t pays: from the touch one second later to the touch one second after that."""
    bid, ask = rows["bid_price"].to_numpy(), rows["ask_price"].to_numpy()
    log = np.log((bid + ask) / 2) * 1e4
    ret = np.zeros(len(log))
    ret[: -DELAY_S - 1] = log[DELAY_S + 1 :] - log[DELAY_S:-1]
    half = (ask - bid) / (ask + bid) * 1e4 * (0.0 if at_mid else 1.0)
    cost = np.append(half[DELAY_S:], half[-DELAY_S:]) + fee_bps
    return Steps(ret_bps=ret, cost_buy_bps=cost, cost_sell_bps=cost.copy(), n_tradable=len(log) - DELAY_S - 1)


def linear(taught: pl.DataFrame, tried: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares forecasts of the next 30 s from one second on: on the rows it was fitted on, and on the others."""
    x, other = (np.clip(frame.select(LINEAR).to_numpy(), -1e6, 1e6) for frame in (taught, tried))
    mean, sd = x.mean(0), x.std(0) + 1e-12
    x, other = (np.column_stack([np.clip((z - mean) / sd, -8, 8), np.ones(len(z))]) for z in (x, other))
    log = np.log(taught["close"].to_numpy()) * 1e4
    n = len(log) - HORIZON_S - DELAY_S
    wanted = log[HORIZON_S + DELAY_S :] - log[DELAY_S : DELAY_S + n]
    weights = np.linalg.lstsq(x[:n], wanted, rcond=None)[0]
    return x @ weights, other @ weights


def threshold_walk(forecast: np.ndarray, level: float) -> np.ndarray:
    """Long above the level, short below minus it, else stay."""
    wish = np.where(forecast > level, 1, np.where(forecast < -level, -1, 0))
    last = np.maximum.accumulate(np.where(wish != 0, np.arange(len(wish)), -1))
    return np.where(last >= 0, wish[last], 0).astype(np.int8)


def lesson_of(rows: pl.DataFrame, scaler: Scaler, grounding: Grounding) -> Lesson:
    obs = scaler.apply(observe(rows)).astype(np.float32)
    obs[:, HIDDEN] = 0
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


def columns_of(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    return {name: rows[name].to_numpy() for name in rows.columns if name != "timestamp"}


def venue_of(rows: pl.DataFrame, fee: float) -> Venue:
    """The StandX-like venue at this fee, 19 USDT, arrivals one second later."""
    found = load_rules("standx-like", "BTC-USD")
    rules: VenueRules = replace(found, maker_bps=fee, taker_bps=fee)
    time, bid, ask = (rows[name].to_numpy() for name in ("timestamp", "bid_price", "ask_price"))
    tape = Tape.of(
        time, bid, ask, rows["bid_volume"].to_numpy(), rows["ask_volume"].to_numpy(), DELAY_S * 1_000
    )
    return Venue(tape=tape, rules=rules, account=Account(capital_usdt=19.0))


def earned(rows: pl.DataFrame, fee: float, targets: np.ndarray) -> dict[str, Any]:
    """One rung: at mid without lots, and as 19 USDT would have earned it."""
    venue = venue_of(rows, fee)
    wanted = targets.copy()
    run = simulate(venue.tape, wanted.astype(np.int8), venue.rules, venue.account)
    mid = float(walk_bps(steps_of(rows, fee, at_mid=True), targets).sum())
    net = float(run.equity_usdt[-1]) - 19.0
    return {"mid": round(mid), "net_bps": round(net / 19.0 * 1e4), "net_usdt": round(net, 3),
            "changes": int(np.abs(np.diff(targets, prepend=0)).sum())}  # fmt: skip


def taught_agent(
    lesson: tuple[Lesson, Steps],
    valid: tuple[Lesson, Steps],
    env_steps: int,
    seed: int,
    *,
    unrestricted: bool = False,
) -> Agent:
    """One seed: exact advantages, weights averaged over the looks at full costs."""
    cfg = ModelConfig(
        n_features=lesson[0].obs.shape[1], conv_filters=32, lstm_units=48, unrestricted=unrestricted
    )
    agent = Agent(cfg, seed)
    mean: dict[str, torch.Tensor] = {}

    def look(line: dict[str, float]) -> None:
        if line["cost"] < 1:
            return
        for name, weight in agent.state_dict().items():
            now = weight.detach().double()
            mean[name] = mean[name] * KEEP + now * (1 - KEEP) if name in mean else now.clone()

    plan = PPOConfig(env_steps=env_steps, batch=32, eval_every=4)
    train(agent, *lesson, plan, validation=valid, seed=seed, callback=look)
    agent.load_state_dict({name: weight.float() for name, weight in mean.items()})
    return agent.eval()


def ours(days: Days, fee: float, seeds: int, env_steps: int, *, unrestricted: bool = False) -> dict[str, Any]:
    """Seeds taught on 80 % of 06 and its mirror; the rest of 06 chooses the seed; 07 is what they then earn."""
    cut = int(0.8 * days.taught.height)
    parts = (days.taught[:cut], days.mirrored[:cut], days.taught[cut + 330 :], days.tried)
    scaler, grounding = Scaler.fit(observe(parts[0])), Grounding.fit(columns_of(parts[0]))
    first, other, valid = (
        (lesson_of(rows, scaler, grounding), steps_of(rows, fee, at_mid=True)) for rows in parts[:3]
    )
    lesson, test = joined(first, other), lesson_of(days.tried, scaler, grounding)
    found, probs = [], []
    for seed in range(seeds):
        agent = taught_agent(lesson, valid, env_steps, seed, unrestricted=unrestricted)
        chosen = float(walk_bps(valid[1], walk(decide(agent, valid[0].obs).actions_if)).sum())
        decisions = decide(agent, test.obs)
        probs.append(decisions.probs)
        heads = {h: correlation(decisions.forecasts[:, 1], ahead(days.tried, h)) for h in (1, 5, 10, 30)}
        found.append({"seed": seed, "validation_bps": round(chosen), "forecast_corr": heads}
                     | earned(days.tried, fee, walk(decisions.actions_if)))  # fmt: skip
        print(f"fee {fee}: {found[-1]}", file=sys.stderr, flush=True)
    vote = (np.mean(probs, 0).argmax(-1) - 1).astype(np.int8)
    told = {name: [one[name] for one in found] for name in ("mid", "net_bps")}
    return {
        "chosen_on_06": max(found, key=lambda one: one["validation_bps"]),
        **{
            name: {"mean": round(float(np.mean(x))), "min": min(x), "max": max(x)} for name, x in told.items()
        },
        "vote": earned(days.tried, fee, walk(vote)),
        "seeds": found,
    }


def stable_baseline(days: Days, fee: float, env_steps: int) -> dict[str, Any]:
    """Stable-Baselines3's PPO, taught on 06 in the market with lots."""
    scaler = Scaler.fit(observe(days.taught))
    obs, test = (scaler.apply(observe(rows)).astype(np.float32) for rows in (days.taught, days.tried))
    obs[:, HIDDEN], test[:, HIDDEN] = 0, 0
    model = train_sb3("sb3-ppo", obs, venue_of(days.taught, fee), env_steps=env_steps)
    targets = model.targets(test, venue_of(days.tried, fee))
    return earned(days.tried, fee, np.rint(targets).astype(np.int8))


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """06, its mirror, and 07."""

    taught: pl.DataFrame
    mirrored: pl.DataFrame
    tried: pl.DataFrame


def ahead(rows: pl.DataFrame, seconds: int) -> np.ndarray:
    log = np.log(rows["close"].to_numpy())
    return log[np.minimum(np.arange(len(log)) + seconds, len(log) - 1)] - log


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    return round(float(np.corrcoef(x, y)[0, 1]), 3)


def measure(folder: Path, fees: list[float], seeds: int, env_steps: int, peer_steps: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    frame, other = tables(folder)
    names = day_of(frame)
    sixth, seventh = pl.Series(names == "2026-01-06"), pl.Series(names == "2026-01-07")
    days = Days(frame.filter(sixth)[600:], other.filter(sixth)[600:], frame.filter(seventh))
    fitted, forecast = linear(days.taught, days.tried)
    ladder = {f"{fee:g}": rungs(days, fee, fitted, forecast, seeds, env_steps, peer_steps) for fee in fees}
    free = ours(days, 1.0, min(seeds, 3), env_steps, unrestricted=True) if 1.0 in fees else None
    honest = (
        ladder["1"]["ours"]["mid"]["mean"] / free["mid"]["mean"] if free and free["mid"]["mean"] > 0 else None
    )
    return {
        "name": "standx",
        "linear_corr": {str(h): correlation(forecast, ahead(days.tried, h)) for h in (1, 5, 10, 30)},
        "ladder": ladder,
        "unrestricted_at_1": free,
        "words_only_over_unrestricted_at_1": honest if honest is None else round(honest, 2),
        "rules": "1 s delay, receive clock; mid: no lots; net_bps: of 19 USDT, lot 0.0001, minimum 5 USDT, at the touch",
    }


def rungs(
    days: Days,
    fee: float,
    fitted: np.ndarray,
    forecast: np.ndarray,
    seeds: int,
    env_steps: int,
    peer_steps: int,
) -> dict[str, Any]:
    """Every rung of the ladder at one fee."""
    known = steps_of(days.taught, fee, at_mid=True)
    levels = np.quantile(np.abs(fitted), np.linspace(0, 0.999, 60))
    level = max(levels, key=lambda x: float(walk_bps(known, threshold_walk(fitted, x)).sum()))
    line = threshold_walk(forecast, level)
    agent = ours(days, fee, seeds, env_steps)
    n = len(line)
    hold = max(1, round(2 * n / max(1, agent["chosen_on_06"]["changes"])))
    rng = np.random.default_rng(0)
    drawn = [np.repeat(rng.integers(-1, 2, n // hold + 1), hold)[:n].astype(np.int8) for _ in range(20)]
    lucky = [earned(days.tried, fee, one) for one in drawn]
    bound, _ = hindsight(steps_of(days.tried, fee, at_mid=True))
    return {
        "no-op": earned(days.tried, fee, np.zeros(n, np.int8)),
        "buy-hold": earned(days.tried, fee, np.ones(n, np.int8)),
        "random-same-turnover": {
            key: round(float(np.mean([x[key] for x in lucky]))) for key in ("mid", "net_bps")
        },
        "least-squares": earned(days.tried, fee, line),
        "sb3-ppo": stable_baseline(days, fee, peer_steps),
        "ours": agent,
        "oracle": {"mid": round(float(bound))},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--env-steps", type=int, default=800_000)
    parser.add_argument(
        "--peer-steps", type=int, default=200_000, help="env steps of Stable-Baselines3's PPO"
    )
    parser.add_argument("--fees", type=float, nargs="+", default=[0.0, 0.5, 1.0, 2.0, 5.0])
    options = parser.parse_args()
    if "DECOT_TAPES" not in os.environ:
        parser.error("set DECOT_TAPES to the folder of recorded tapes")
    folder = Path(os.environ["DECOT_TAPES"]) / "standx-btcusd"
    found = measure(folder, options.fees, options.seeds, options.env_steps, options.peer_steps)
    print(json.dumps(found) if options.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
