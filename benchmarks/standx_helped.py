"""What helped on StandX and what did not: one change of the ladder's recipe a row, tried on held-out parts of 06 alone.

`DECOT_TAPES=… python -m benchmarks.standx_helped --row NAME --json [--seeds 2] [--fee 1] [--env-steps N]`; `--list` names
the rows. Two folds: taught on the first 60 % or 80 % of 06, tried on the next 20 %. A figure is the profit at mid (bps,
without lots) of such a fifth of a day, mean over folds and seeds: `averaged` with weights averaged over the looks at full
costs, `last` with the last weights, `vote` with the mean of the seeds' probabilities. `linear` is the linear rule on the
same folds. 07 is never read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.standx_days import (
    CAPITAL,
    CLOCK_AND_REGIME,
    LINEAR,
    NOT_LINEAR,
    SEAM,
    Recipe,
    ahead,
    best_level,
    columns_of,
    coming,
    correlation,
    day_of,
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
from benchmarks.standx_levels import level_inputs
from decot.data.tapes import open_tape
from decot.features.observation import OBSERVATION, observe
from decot.features.scaler import Scaler
from decot.market.account import Account
from decot.market.simulate import simulate
from decot.market.steps import Steps, walk_bps
from decot.model.agent import Agent
from decot.model.lesson import Lesson
from decot.model.play import Decisions, decide, walk
from decot.model.thoughts import Grounding

DAY = "2026-01-06"
SHARES = (0.6, 0.8)
FIFTH = 0.2
EARLY = 0.125
"""last share of what is taught that chooses the look, where a row stops early"""
MARGINS, HOLDS = (0.1, 0.3, 0.5), (5, 15, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One change of the recipe."""

    why: str
    change: dict[str, Any]
    """fields of Recipe; `ppo` and `model` are laid over the recipe's own"""
    clock_ms: int = 1_000
    is_early: bool = False
    has_levels: bool = False


REGIME_SEEN = tuple(k for k in CLOCK_AND_REGIME if not OBSERVATION[k].startswith("regime"))
ROWS: dict[str, Row] = {
    "ladder": Row(why="as in benchmarks.standx", change={}),
    "no-mirror": Row(why="not taught on the mirrored market", change={"is_mirrored": False}),
    "clock-seen": Row(why="time of day and regime are shown", change={"hidden": ()}),
    "regime-seen": Row(why="the regime is shown, the time of day is not", change={"hidden": REGIME_SEEN}),
    "linear-inputs": Row(why="only the linear rule's 19 inputs are shown", change={"hidden": NOT_LINEAR}),
    "unrestricted": Row(why="the heads see past the words", change={"model": {"unrestricted": True}}),
    "four-epochs": Row(
        why="four gradient steps a batch, batches of 16", change={"ppo": {"epochs": 4, "batch": 16}}
    ),
    "entropy": Row(why="entropy bonus 0.05 instead of 0.02", change={"ppo": {"entropy": 0.05}}),
    "gamma": Row(why="discount 0.998 instead of 0.99", change={"ppo": {"gamma": 0.998}}),
    "slow": Row(why="learning rate 3e-3 instead of 8e-3", change={"ppo": {"learning_rate": 3e-3}}),
    "no-forecast": Row(why="the forecast heads are not taught", change={"ppo": {"forecast": 0.0}}),
    "no-anneal": Row(why="full costs from the first step", change={"ppo": {"anneal": 0.0}}),
    "coherent": Row(why="weight of coherence 1.0 instead of 0.3", change={"ppo": {"coherence": 1.0}}),
    "wide": Row(
        why="64 filters, 96 units instead of 32, 48", change={"model": {"conv_filters": 64, "lstm_units": 96}}
    ),
    "dropout": Row(why="dropout 0.1", change={"model": {"dropout": 0.1}}),
    "long": Row(
        why="stretches of 512 rows after 200, batches of 16",
        change={"ppo": {"length": 512, "burn_in": 200, "batch": 16}},
    ),
    "decay": Row(why="weight decay 0.1", change={"ppo": {"weight_decay": 0.1}}),
    "gae": Row(why="sampled walks and GAE instead of exact advantages", change={"algorithm": "ppo-gae"}),
    "grpo": Row(why="GRPO instead of PPO", change={"algorithm": "grpo", "ppo": {"batch": 24}}),
    "early": Row(why="the last eighth of what is taught chooses the look (`last`)", change={}, is_early=True),
    "half-second": Row(
        why="bars of 500 ms, the same delay",
        change={"ppo": {"length": 512, "gamma": 0.995, "batch": 16}},
        clock_ms=500,
    ),
    "levels": Row(
        why="11 inputs from the 20 levels of the book, which only 06 has", change={}, has_levels=True
    ),
}
NO_TRAINING = {
    "trees": "gradient-boosted trees on all inputs, and on the linear rule's, beside the linear rule"
}
WITH_LADDER = {"execution": "how the ladder's agents are obeyed: margins, holding times, post-only orders"}


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """What teaches, its mirror, what is tried; and inputs of one's own for each, or None."""

    taught: pl.DataFrame
    mirrored: pl.DataFrame
    tried: pl.DataFrame
    extra: tuple[np.ndarray, np.ndarray] | None = None


def folds(folder: Path, row: Row) -> list[Fold]:
    """The two folds of 06 at a row's clock."""
    frame, other = tables(folder, row.clock_ms)
    sixth = pl.Series(day_of(frame) == DAY)
    warm = 600_000 // row.clock_ms
    day, turned = frame.filter(sixth)[warm:], other.filter(sixth)[warm:]
    levels = level_inputs(folder, day["timestamp"].to_numpy()) if row.has_levels else None
    found = []
    for share in SHARES:
        cut, end = int(share * day.height), int((share + FIFTH) * day.height)
        start = cut + SEAM * 1_000 // row.clock_ms
        extra = (levels[:cut], levels[start:end]) if levels is not None else None
        found.append(Fold(day[:cut], turned[:cut], day[start:end], extra))
    return found


def parts_of(fold: Fold, recipe: Recipe, fee: float) -> tuple[tuple[Lesson, Steps], tuple[Lesson, Steps]]:
    """The lesson of a fold, with its mirror where the recipe has one, and the part that is tried."""
    scaler, grounding = Scaler.fit(observe(fold.taught)), Grounding.fit(columns_of(fold.taught))
    own, new = fold.extra or (None, None)
    lesson = lesson_of(fold.taught, scaler, grounding, recipe.hidden, own), steps_of(fold.taught, fee)
    if recipe.is_mirrored:
        turned = None if own is None else -own
        lesson = joined(
            lesson,
            (
                lesson_of(fold.mirrored, scaler, grounding, recipe.hidden, turned),
                steps_of(fold.mirrored, fee),
            ),
        )
    return lesson, (lesson_of(fold.tried, scaler, grounding, recipe.hidden, new), steps_of(fold.tried, fee))


def pay(steps: Steps, actions_if: np.ndarray) -> float:
    return float(walk_bps(steps, walk(actions_if)).sum())


def taught_row(row: Row, recipe: Recipe, lesson: tuple[Lesson, Steps], seed: int) -> tuple[Agent, Agent]:
    """One seed of a row; where it stops early, the end of the unmirrored half chooses the look."""
    if not row.is_early:
        return teach(recipe, lesson, seed)
    half = len(lesson[0]) // 2
    cut = int((1 - EARLY) * half)
    held = lesson[0].slice(cut + SEAM, half), lesson[1].slice(cut + SEAM, half)
    kept = lesson[0].slice(0, cut), lesson[1].slice(0, cut)
    other = lesson[0].slice(half, half + cut), lesson[1].slice(half, half + cut)
    return teach(recipe, joined(kept, other), seed, validation=held)


def measure_row(folder: Path, row: Row, fee: float, seeds: int, env_steps: int) -> dict[str, Any]:
    """Every seed on every fold."""
    recipe = changed(Recipe(env_steps=env_steps), row.change)
    averaged, last, votes, line, heads = [], [], [], [], []
    for k, fold in enumerate(folds(folder, row)):
        lesson, tried = parts_of(fold, recipe, fee)
        probs = []
        for seed in range(seeds):
            agents = taught_row(row, recipe, lesson, seed)
            mean, final = (decide(agent, tried[0].obs) for agent in agents)
            averaged.append(pay(tried[1], mean.actions_if))
            last.append(pay(tried[1], final.actions_if))
            heads.append(correlation(mean.forecasts[:, 1], ahead(fold.tried, 30)))
            probs.append(mean.probs)
            print(f"fold {k} seed {seed}: {averaged[-1]:+.0f} ({last[-1]:+.0f})", file=sys.stderr, flush=True)
        votes.append(pay(tried[1], (np.mean(probs, 0).argmax(-1) - 1).astype(np.int8)))
        line.append(linear_pay(fold, fee))
    return {
        "averaged": spread(averaged),
        "last": spread(last),
        "vote": spread(votes),
        "linear": spread(line),
        "forecast_corr_30s": round(float(np.mean(heads)), 3),
    }


def changed(recipe: Recipe, change: dict[str, Any]) -> Recipe:
    """A recipe with a row's change in it."""
    inner = {name: getattr(recipe, name) | change[name] for name in ("ppo", "model") if name in change}
    return replace(recipe, **(change | inner))


def spread(found: list[float]) -> dict[str, Any]:
    return {"mean": round(float(np.mean(found))), "each": [round(x) for x in found]}


def linear_pay(fold: Fold, fee: float) -> float:
    said = linear(fold.taught, fold.tried)
    level = best_level(said[0], steps_of(fold.taught, fee))
    return float(walk_bps(steps_of(fold.tried, fee), threshold_walk(said[1], level)).sum())


# Rows that are no recipe ------------------------------------------------------------------------------


def measure_trees(folder: Path, fee: float) -> dict[str, Any]:
    """Trees fitted on the first five sixths of what is taught; the last sixth chooses the threshold, for the line too."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    kinds: dict[str, Callable[[pl.DataFrame], np.ndarray]] = {
        "trees, all inputs": observe,
        "trees, the linear rule's inputs": lambda rows: rows.select(LINEAR).to_numpy(),
    }
    found: dict[str, dict[str, list[float]]] = {}
    for fold in folds(folder, ROWS["ladder"]):
        cut = int(fold.taught.height * 5 / 6)
        first, held = fold.taught[:cut], fold.taught[cut + SEAM :]
        said = {"linear rule": (linear(first, held)[1], linear(first, fold.tried)[1])}
        for name, inputs in kinds.items():
            tree = HistGradientBoostingRegressor(
                max_iter=150, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=300, random_state=0
            )
            wanted = coming(first)
            tree.fit(inputs(first)[: len(wanted)], wanted)
            said[name] = tree.predict(inputs(held)), tree.predict(inputs(fold.tried))
        for name, (before, after) in said.items():
            line = found.setdefault(name, {"mid": [], "corr_30s": []})
            walked = threshold_walk(after, best_level(before, steps_of(held, fee)))
            line["mid"].append(round(float(walk_bps(steps_of(fold.tried, fee), walked).sum())))
            wanted = coming(fold.tried)
            line["corr_30s"].append(correlation(after[: len(wanted)], wanted))
    return {name: {key: {"mean": round(float(np.mean(x)), 3), "each": x} for key, x in line.items()}
            for name, line in found.items()}  # fmt: skip


def measure_execution(folder: Path, fee: float, seeds: int, env_steps: int) -> dict[str, Any]:
    """The ladder's agents, obeyed otherwise: at mid with margins and holding times, and in dollars with resting orders."""
    tape = open_tape(folder)
    recipe, found = Recipe(env_steps=env_steps), {}
    trades = tape.trades.sort("recv_us", maintain_order=True)
    prints = (
        trades["recv_us"].to_numpy() // 1_000,
        *(trades[k].to_numpy() for k in ("price", "quantity", "side")),
    )
    for fold in folds(folder, ROWS["ladder"]):
        lesson, (tried, steps) = parts_of(fold, recipe, fee)
        book = tape_of(fold.tried)
        inside = prints[0] > book.timestamp[0] - 1_000
        book = book.with_prints(*(x[inside] for x in prints))
        for seed in range(seeds):
            decisions = decide(teach(recipe, lesson, seed)[0], tried.obs)
            wished = walk(decisions.actions_if)
            told = {"mid: as said": float(walk_bps(steps, wished).sum())}
            told |= {f"mid: margin {x:g}": pay(steps, hesitant(decisions, x)) for x in MARGINS}
            told |= {f"mid: held {n} s": float(walk_bps(steps, held_for(decisions, n)).sum()) for n in HOLDS}
            for name, (taker, maker, more) in EXECUTIONS.items():
                account = Account(capital_usdt=CAPITAL, **more)
                told[name] = simulate(book, wished, rules_at(taker, maker), account).total_bps
            for name, value in told.items():
                found.setdefault(name, []).append(value)
            print(f"seed {seed}: {told}", file=sys.stderr, flush=True)
    return {name: spread(each) for name, each in found.items()}


EXECUTIONS: dict[str, tuple[float, float, dict[str, Any]]] = {
    "net: taker at 1": (1.0, 1.0, {}),
    "net: taker at 4, the venue's own": (4.0, 1.0, {}),
    "net: post-only at 1, for ever": (4.0, 1.0, {"execution": "post_only"}),
    "net: post-only at 1, taker at 4 after 10 s": (4.0, 1.0, {"execution": "post_only", "patience_rows": 10}),
    "net: post-only at 0, for ever": (4.0, 0.0, {"execution": "post_only"}),
}
"""taker fee, maker fee, settings of the account; net bps of 19 USDT"""


def hesitant(decisions: Decisions, margin: float) -> np.ndarray:
    """(T, 3) actions that leave a position only where the other is likelier by more than the margin."""
    own = np.arange(3)
    stay = decisions.probs[:, own, own]
    best = decisions.probs.argmax(-1)
    moves = decisions.probs.max(-1) - stay > margin
    return (np.where(moves, best, own) - 1).astype(np.int8)


def held_for(decisions: Decisions, bars: int) -> np.ndarray:
    """(T,) targets that stay at least so many bars."""
    out, position, since = np.zeros(len(decisions.actions_if), np.int8), 0, -bars
    for t, actions in enumerate(decisions.actions_if.tolist()):
        if actions[position + 1] != position and t - since >= bars:
            position, since = actions[position + 1], t
        out[t] = position
    return out


def main() -> None:
    known = {name: row.why for name, row in ROWS.items()} | NO_TRAINING | WITH_LADDER
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", choices=tuple(known), default="ladder")
    parser.add_argument("--list", action="store_true", help="name the rows and stop")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--fee", type=float, default=1.0, help="bps a side")
    parser.add_argument("--env-steps", type=int, default=800_000)
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{name:<14} {why}" for name, why in known.items()))
        return
    if "DECOT_TAPES" not in os.environ:
        parser.error("set DECOT_TAPES to the folder of recorded tapes")
    folder, began = Path(os.environ["DECOT_TAPES"]) / "standx-btcusd", time.perf_counter()
    torch.set_num_threads(1)
    if options.row in NO_TRAINING:
        found = measure_trees(folder, options.fee)
    elif options.row in WITH_LADDER:
        found = measure_execution(folder, options.fee, options.seeds, options.env_steps)
    else:
        found = measure_row(folder, ROWS[options.row], options.fee, options.seeds, options.env_steps)
    found = {"row": options.row, "why": known[options.row], "fee": options.fee, "seeds": options.seeds,
             "env_steps": options.env_steps, **found, "wall_s": round(time.perf_counter() - began)}  # fmt: skip
    print(json.dumps(found) if options.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
