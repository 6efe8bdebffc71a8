"""StandX 06 → 07: forecasts beside least squares, and the honest P&L ladder by fee. Needs the recorded tapes.

`DECOT_TAPES=… python -m benchmarks.standx --json [--seeds N] [--env-steps N] [--fees 1]`. Receive clock, 1-s bars, orders
arrive 1 s after the decision. The linear rule: least squares of the 30-s return on imbalances, their means, returns and
signed flow, fitted on 06; its threshold is chosen on 06. Ours: taught on the first 80 % of 06, stopped by the last 20 %;
the seed to trade is chosen there too. 07 is looked at once, by both.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl
import torch

from decot.context.regimes import RegimeConfig, fit, posteriors, regime_inputs
from decot.data.bars import build_bars
from decot.data.tapes import open_tape
from decot.features.batch import compute
from decot.features.config import FeatureConfig
from decot.features.observation import observe
from decot.features.scaler import Scaler
from decot.features.table import base_table, features_table
from decot.market.steps import Steps, walk_bps
from decot.model.agent import Agent, ModelConfig
from decot.model.lesson import Lesson
from decot.model.play import decide, walk
from decot.model.thoughts import Grounding
from decot.rl.ppo import PPOConfig, train
from schemas.columns import TARGETS

DELAY_S, HORIZON_S = 1, 30
IMBALANCES = ("order_imbalance", "imb_5", "imb_20", "imb_mean_5", "imb_mean_30", "imb_mean_120")
MEANS = ("imb20_mean_5", "imb20_mean_30", "imb20_mean_120")
RETURNS = ("ret_1", "ret_2", "ret_5", "ret_10", "ret_30", "ret_60", "ret_300")
LINEAR = (*IMBALANCES, *MEANS, *RETURNS, "flow_5", "flow_30", "flow_120")


def table(folder: Path) -> pl.DataFrame:
    """The features of the tape, 1-s bars by the local clock; regimes learnt on 06."""
    tape = open_tape(folder)
    bars = build_bars(tape, 1_000, "recv")
    cfg, regimes = FeatureConfig(), RegimeConfig()
    matrix = compute(bars, cfg)
    x = regime_inputs(bars["close"].to_numpy(), regimes)
    days = day_of(bars)
    model = fit(x[days == "2026-01-06"], regimes)
    weights = posteriors(model, x)
    around = {f"regime_{k}": weights[:, k] for k in range(weights.shape[1])}
    return features_table(base_table(bars, cfg, matrix=matrix), matrix, around)


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
    return Lesson(
        scaler.apply(observe(rows)).astype(np.float32),
        grounding.label(columns_of(rows)),
        np.stack([rows[name].to_numpy().astype(np.float32) for name in TARGETS], 1),
    )


def columns_of(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    return {name: rows[name].to_numpy() for name in rows.columns if name != "timestamp"}


def ours(taught: pl.DataFrame, tried: pl.DataFrame, fee: float, seeds: int, env_steps: int) -> dict[str, Any]:
    """Seeds taught on 80 % of 06; validation on the rest of 06 chooses weights and seed; 07 is what they then earn."""
    cut = int(0.8 * taught.height)
    first, last = taught[:cut], taught[cut + 330 :]
    scaler, grounding = Scaler.fit(observe(first)), Grounding.fit(columns_of(first))
    data, valid, test = (lesson_of(rows, scaler, grounding) for rows in (first, last, tried))
    found = []
    for seed in range(seeds):
        agent = Agent(ModelConfig(n_features=data.obs.shape[1], conv_filters=32, lstm_units=48), seed)
        cfg = PPOConfig(env_steps=env_steps, batch=32)
        done = train(agent, data, steps_of(first, fee, at_mid=True), cfg,
                     validation=(valid, steps_of(last, fee, at_mid=True)), seed=seed)  # fmt: skip
        decisions = decide(done.agent, test.obs)
        targets = walk(decisions.actions_if)
        heads = {h: correlation(decisions.forecasts[:, 1], ahead(tried, h)) for h in (1, 5, 10, 30)}
        bps = float(walk_bps(steps_of(tried, fee, at_mid=True), targets).sum())
        found.append({"seed": seed, "validation_bps": round(done.best_bps), "bps": round(bps),
                      "changes": int(np.abs(np.diff(targets, prepend=0)).sum()), "forecast_corr": heads})  # fmt: skip
        print(f"fee {fee}: {found[-1]}", file=sys.stderr, flush=True)
    chosen = max(found, key=lambda one: one["validation_bps"])
    return {
        "chosen_on_06": chosen,
        "mean_bps": round(float(np.mean([one["bps"] for one in found]))),
        "seeds": found,
    }


def ahead(rows: pl.DataFrame, seconds: int) -> np.ndarray:
    log = np.log(rows["close"].to_numpy())
    return log[np.minimum(np.arange(len(log)) + seconds, len(log) - 1)] - log


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    return round(float(np.corrcoef(x, y)[0, 1]), 3)


def measure(folder: Path, fees: list[float], seeds: int, env_steps: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    frame = table(folder)
    days = day_of(frame)
    taught, tried = (
        frame.filter(pl.Series(days == "2026-01-06"))[600:],
        frame.filter(pl.Series(days == "2026-01-07")),
    )
    fitted, forecast = linear(taught, tried)
    ladder: dict[str, Any] = {}
    rng = np.random.default_rng(0)
    for fee in fees:
        known, unknown = steps_of(taught, fee, at_mid=True), steps_of(tried, fee, at_mid=True)
        levels = np.quantile(np.abs(fitted), np.linspace(0, 0.999, 60))
        level = max(levels, key=lambda x: float(walk_bps(known, threshold_walk(fitted, x)).sum()))
        line = threshold_walk(forecast, level)
        agent = ours(taught, tried, fee, seeds, env_steps)
        changes = agent["chosen_on_06"]["changes"]
        hold = max(1, round(2 * len(line) / max(1, changes)))
        random = np.repeat(rng.integers(-1, 2, len(line) // hold + 1), hold)[: len(line)]
        ladder[f"{fee:g}"] = {
            "no-op": 0.0,
            "buy-hold": round(float(walk_bps(unknown, np.ones(len(line))).sum())),
            "random-same-turnover": round(float(walk_bps(unknown, random).sum())),
            "least-squares": round(float(walk_bps(unknown, line).sum())),
            "ours": agent,
        }
    linear_corr = {str(h): correlation(forecast, ahead(tried, h)) for h in (1, 5, 10, 30)}
    return {
        "name": "standx",
        "linear_corr": linear_corr,
        "ladder_bps": ladder,
        "rules": "mid, 1 s delay, no lots",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--env-steps", type=int, default=800_000)
    parser.add_argument("--fees", type=float, nargs="+", default=[0.0, 0.5, 1.0, 2.0, 5.0])
    options = parser.parse_args()
    if "DECOT_TAPES" not in os.environ:
        parser.error("set DECOT_TAPES to the folder of recorded tapes")
    folder = Path(os.environ["DECOT_TAPES"]) / "standx-btcusd"
    found = measure(folder, options.fees, options.seeds, options.env_steps)
    print(json.dumps(found) if options.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
