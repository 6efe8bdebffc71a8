"""StandX 06 → 07: forecasts beside least squares, and the honest P&L ladder by fee. Needs the recorded tapes.

`DECOT_TAPES=… python -m benchmarks.standx --json [--seeds N] [--env-steps N] [--fees 1]`. Receive clock, 1-s bars, orders
arrive 1 s after the decision. Everything is learned and chosen on 06; 07 is looked at once, at the end, by every rung:

- least-squares: the 30-s return on imbalances, their means, returns and signed flow; its threshold chosen on 06.
- sb3-ppo: Stable-Baselines3's PPO on single rows and the account, taught in the market with lots (`decot.rl.sb3`).
- ours: taught on the first 80 % of 06 and its mirror (`decot.data.mirror`), weights averaged over the looks at full
  costs; the last 20 % of 06 chooses the seed. Time of day and regime are hidden from it: one day cannot teach them.
- vote: the mean of the decision probabilities of all seeds.

What `mid` and `net_bps` are stands in `benchmarks.standx_days`; `net_lower95` is the lower bound of such a day (stationary
block bootstrap of its minutes, one-sided 95 %, as the gate draws it). An oracle bound stands beside all.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.standx_days import (
    CAPITAL,
    Recipe,
    ahead,
    best_level,
    columns_of,
    correlation,
    day_of,
    earned,
    joined,
    lesson_of,
    linear,
    rules_at,
    steps_of,
    tables,
    tape_of,
    teach,
    threshold_walk,
)
from decot.features.observation import observe
from decot.features.scaler import Scaler
from decot.market.account import Account
from decot.market.exact import hindsight
from decot.market.steps import walk_bps
from decot.model.play import decide, walk
from decot.model.thoughts import Grounding
from decot.rl.sb3 import Venue, train_sb3

HORIZONS_S = (1, 5, 10, 30)


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """06, its mirror, and 07."""

    taught: pl.DataFrame
    mirrored: pl.DataFrame
    tried: pl.DataFrame


def ours(days: Days, fee: float, seeds: int, recipe: Recipe) -> dict[str, Any]:
    """Seeds taught on 80 % of 06 and its mirror; the rest of 06 chooses the seed; 07 is what they then earn."""
    cut = int(0.8 * days.taught.height)
    parts = (days.taught[:cut], days.mirrored[:cut], days.taught[cut + 330 :])
    scaler, grounding = Scaler.fit(observe(parts[0])), Grounding.fit(columns_of(parts[0]))
    first, other, valid = ((lesson_of(rows, scaler, grounding), steps_of(rows, fee)) for rows in parts)
    lesson, test = joined(first, other), lesson_of(days.tried, scaler, grounding)
    found, probs = [], []
    for seed in range(seeds):
        began = time.perf_counter()
        agent = teach(recipe, lesson, seed, validation=valid)[0]
        chosen = float(walk_bps(valid[1], walk(decide(agent, valid[0].obs).actions_if)).sum())
        decisions = decide(agent, test.obs)
        probs.append(decisions.probs)
        heads = {h: correlation(decisions.forecasts[:, 1], ahead(days.tried, h)) for h in HORIZONS_S}
        found.append({"seed": seed, "validation_bps": round(chosen), "forecast_corr": heads}
                     | earned(days.tried, fee, walk(decisions.actions_if))
                     | {"wall_s": round(time.perf_counter() - began)})  # fmt: skip
        print(f"fee {fee}: {found[-1]}", file=sys.stderr, flush=True)
    vote = (np.mean(probs, 0).argmax(-1) - 1).astype(np.int8)
    told = {name: [one[name] for one in found] for name in ("mid", "net_bps", "net_lower95")}
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
    hidden = list(Recipe().hidden)
    obs[:, hidden], test[:, hidden] = 0, 0

    def venue(rows: pl.DataFrame) -> Venue:
        return Venue(tape=tape_of(rows), rules=rules_at(fee), account=Account(capital_usdt=CAPITAL))

    model = train_sb3("sb3-ppo", obs, venue(days.taught), env_steps=env_steps)
    return earned(days.tried, fee, np.rint(model.targets(test, venue(days.tried))).astype(np.int8))


def rungs(
    days: Days,
    fee: float,
    said: tuple[np.ndarray, np.ndarray],
    seeds: int,
    recipe: Recipe,
    peer_steps: int,
) -> dict[str, Any]:
    """Every rung of the ladder at one fee; `said` is the linear forecast on 06 and on 07."""
    line = threshold_walk(said[1], best_level(said[0], steps_of(days.taught, fee)))
    agent = ours(days, fee, seeds, recipe)
    n = len(line)
    hold = max(1, round(2 * n / max(1, agent["chosen_on_06"]["changes"])))
    rng = np.random.default_rng(0)
    drawn = [np.repeat(rng.integers(-1, 2, n // hold + 1), hold)[:n].astype(np.int8) for _ in range(20)]
    lucky = [earned(days.tried, fee, one) for one in drawn]
    bound, _ = hindsight(steps_of(days.tried, fee))
    return {
        "no-op": earned(days.tried, fee, np.zeros(n, np.int8)),
        "buy-hold": earned(days.tried, fee, np.ones(n, np.int8)),
        "random-same-turnover": {
            key: round(float(np.mean([x[key] for x in lucky]))) for key in ("mid", "net_bps")
        },
        "least-squares": earned(days.tried, fee, line),
        **({"sb3-ppo": stable_baseline(days, fee, peer_steps)} if peer_steps else {}),
        "ours": agent,
        "oracle": {"mid": round(float(bound))},
    }


def measure(folder: Path, fees: list[float], seeds: int, env_steps: int, peer_steps: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    frame, other = tables(folder)
    names = day_of(frame)
    sixth, seventh = pl.Series(names == "2026-01-06"), pl.Series(names == "2026-01-07")
    days = Days(frame.filter(sixth)[600:], other.filter(sixth)[600:], frame.filter(seventh))
    said = linear(days.taught, days.tried)
    recipe = Recipe(env_steps=env_steps)
    ladder = {f"{fee:g}": rungs(days, fee, said, seeds, recipe, peer_steps) for fee in fees}
    open_heads = replace(recipe, model=recipe.model | {"unrestricted": True})
    free = ours(days, 1.0, min(seeds, 3), open_heads) if 1.0 in fees else None
    honest = (
        ladder["1"]["ours"]["mid"]["mean"] / free["mid"]["mean"] if free and free["mid"]["mean"] > 0 else None
    )
    return {
        "name": "standx",
        "linear_corr": {str(h): correlation(said[1], ahead(days.tried, h)) for h in HORIZONS_S},
        "ladder": ladder,
        "unrestricted_at_1": free,
        "words_only_over_unrestricted_at_1": honest if honest is None else round(honest, 2),
        "rules": "1 s delay, receive clock; mid: no lots; net_bps: of 19 USDT, lot 0.0001, minimum 5 USDT, at the touch",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--env-steps", type=int, default=800_000)
    parser.add_argument(
        "--peer-steps",
        type=int,
        default=200_000,
        help="env steps of Stable-Baselines3's PPO; 0 leaves it out",
    )
    parser.add_argument("--fees", type=float, nargs="+", default=[0.0, 0.5, 1.0, 2.0, 5.0])
    options = parser.parse_args()
    if "DECOT_TAPES" not in os.environ:
        parser.error("set DECOT_TAPES to the folder of recorded tapes")
    folder = Path(os.environ["DECOT_TAPES"]) / "standx-btcusd"
    began = time.perf_counter()
    found = measure(folder, options.fees, options.seeds, options.env_steps, options.peer_steps)
    found["wall_s"] = round(time.perf_counter() - began)
    print(json.dumps(found) if options.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
