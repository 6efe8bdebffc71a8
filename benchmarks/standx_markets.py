"""An agent of StandX on other recorded markets: as it is, with their units, and lightly tuned. Needs the recorded tapes.

`DECOT_TAPES=… python -m benchmarks.standx_markets --agent docs/models/NAME --market aster-btc --json [--fee 1] [--seeds 3]`.
Taught on the first 60 % of a tape, tried on the rest; what it pays is the half-spread of that tape's own book and the fee.

- as-it-is: weights, scaler, word boundaries and regimes of StandX.
- units: the same weights; scaler, word boundaries and regimes of this market's first part (its spread, volatility, volume).
- tuned: from there, `--env-steps` on the first part and its mirror, all weights, a low rate, full costs at once.
- scratch: as many steps of the same network that has never seen StandX. linear: least squares on the first part.

Figures are bps of notional over the tried part at the touch, without lots (each venue has its own); `lower95` is the
block bootstrap's lower bound of the sum, as the gate draws it. Nothing is chosen on the tried part.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.standx_days import (
    SEAM,
    Recipe,
    ahead,
    best_level,
    columns_of,
    correlation,
    joined,
    lesson_of,
    linear,
    lower_bound,
    steps_of,
    tables_of,
    teach,
    threshold_walk,
)
from decot.context.regime_model import RegimeModel
from decot.data.tapes import open_tape
from decot.features.kernel import WARMUP
from decot.features.observation import observe
from decot.features.scaler import Scaler
from decot.market.steps import Steps, walk_bps
from decot.model.agent import Agent
from decot.model.checkpoint import load
from decot.model.play import decide, walk
from decot.model.thoughts import Grounding

MARKETS = {
    "aster-btc": ("aster-perp", "BTCUSDT"),
    "aster-eth": ("aster-perp", "ETHUSDT"),
    "hyperliquid-btc": ("hyperliquid-2025-09", "BTC"),
    "hyperliquid-eth": ("hyperliquid-2025-09", "ETH"),
}
SHARE = 0.6


def told(rows: pl.DataFrame, steps: Steps, targets: np.ndarray) -> dict[str, Any]:
    """What a walk of targets earned at the touch."""
    each = walk_bps(steps, targets)
    return {"bps": round(float(each.sum()), 1), "lower95": lower_bound(each, 60),
            "changes": int(np.abs(np.diff(targets.astype(int), prepend=0)).sum())}  # fmt: skip


def heard(agent: Agent, obs: np.ndarray, rows: pl.DataFrame, steps: Steps) -> dict[str, Any]:
    """An agent on rows: what it earned and how well it foresaw."""
    decisions = decide(agent, obs)
    return told(rows, steps, walk(decisions.actions_if)) | {
        "corr_10s": correlation(decisions.forecasts[:, 1], ahead(rows, 10))
    }


def parted(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    cut = int(SHARE * frame.height)
    return frame[WARMUP:cut], frame[cut + SEAM :]


def measure(
    folder: Path, agent_folder: Path, market: str, fee: float, seeds: int, env_steps: int
) -> dict[str, Any]:
    where, symbol = MARKETS[market]
    agent, manifest = load(agent_folder)
    tape = open_tape(folder / where, symbol=symbol)
    regimes = RegimeModel.from_json(json.dumps(manifest["regimes"]))
    foreign = parted(tables_of(tape, 1_000, regimes=regimes)[0])
    frame, mirrored = tables_of(tape, 1_000, share=SHARE)
    (first, tried), (turned, _) = parted(frame), parted(mirrored)
    steps = steps_of(tried, fee, at_mid=False)
    said = linear(first, tried)
    line = threshold_walk(said[1], best_level(said[0], steps_of(first, fee, at_mid=False)))
    bid, ask = (tried[name].to_numpy() for name in ("bid_price", "ask_price"))
    found: dict[str, Any] = {
        "market": market, "bars": frame.height, "taught": first.height, "tried": tried.height, "fee": fee,
        "half_spread_bps": round(float(((ask - bid) / (ask + bid)).mean() * 1e4), 3),
        "buy-hold": told(tried, steps, np.ones(tried.height, np.int8)),
        "linear": told(tried, steps, line) | {"corr_10s": correlation(said[1], ahead(tried, 10))},
    }  # fmt: skip
    scaler, grounding = (
        Scaler.from_json(json.dumps(manifest["scaler"])),
        Grounding.from_json(manifest["grounding"]),
    )
    found["as-it-is"] = heard(agent, lesson_of(foreign[1], scaler, grounding, ()).obs, tried, steps)
    scaler, grounding = Scaler.fit(observe(first)), Grounding.fit(columns_of(first))
    seen = lesson_of(tried, scaler, grounding, ())
    found["units"] = heard(agent, seen.obs, tried, steps)
    lesson = joined(
        *(
            (lesson_of(rows, scaler, grounding, ()), steps_of(rows, fee, at_mid=False))
            for rows in (first, turned)
        )
    )
    gentle = Recipe(env_steps=env_steps, ppo={"batch": 16, "learning_rate": 2e-3, "anneal": 0.0})
    own = Recipe(env_steps=env_steps, ppo={"batch": 16})
    tuned, scratch = [], []
    for seed in range(seeds):
        again = load(agent_folder)[0]
        tuned.append(heard(teach(gentle, lesson, seed, start=again)[0], seen.obs, tried, steps))
        scratch.append(
            heard(teach(own, lesson, seed, start=Agent(agent.cfg, seed))[0], seen.obs, tried, steps)
        )
        print(f"{market} fee {fee:g} seed {seed}: {tuned[-1]} {scratch[-1]}", file=sys.stderr, flush=True)
    return found | {"tuned": of_seeds(tuned), "scratch": of_seeds(scratch), "env_steps": env_steps}


def of_seeds(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean, least and most of each figure."""
    return {
        key: {"mean": round(float(np.mean(x)), 3), "min": min(x), "max": max(x)}
        for key in found[0]
        if (x := [one[key] for one in found])
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--agent", type=Path, required=True, help="folder of an agent: agent.json, agent.safetensors"
    )
    parser.add_argument("--market", choices=tuple(MARKETS), default="aster-btc")
    parser.add_argument("--fee", type=float, default=1.0, help="bps a side")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--env-steps", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if "DECOT_TAPES" not in os.environ:
        parser.error("set DECOT_TAPES to the folder of recorded tapes")
    torch.set_num_threads(1)
    began = time.perf_counter()
    found = measure(Path(os.environ["DECOT_TAPES"]), options.agent, options.market, options.fee, options.seeds,
                    options.env_steps)  # fmt: skip
    found["wall_s"] = round(time.perf_counter() - began)
    print(json.dumps(found) if options.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
