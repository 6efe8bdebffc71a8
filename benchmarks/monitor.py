"""The reasoning monitor on clean markets and on agents that were broken on purpose: false alarms per day, detection, delay.

`python -m benchmarks.monitor --json [--source world standx]`. A demo-size agent is taught first (about a minute); the
monitor is fitted on its training and validation rows. Clean rows are later days that neither has seen. Faults begin at
random bars of those days and last an hour of bars: swapped heads, a frozen column, a market never seen, corrupted words.
StandX needs DECOT_TAPES.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import polars as pl
import torch

from decot.context.regime_model import RegimeModel
from decot.context.regimes import RegimeConfig, fit, posteriors, regime_inputs
from decot.data.bars import build_bars
from decot.data.tapes import open_tape
from decot.data.worlds import WorldConfig, make_world
from decot.experiment.school import columns_of, tape_of
from decot.features.batch import compute
from decot.features.config import FeatureConfig
from decot.features.kernel import WARMUP
from decot.features.observation import OBSERVATION, OBSERVED, observe
from decot.features.scaler import Scaler
from decot.features.table import base_table, features_table
from decot.live.monitor import Baseline, Monitor, MonitorConfig, latched
from decot.live.monitor_fit import Clean, fit_baseline
from decot.market.rules import load_rules
from decot.market.steps import step_rewards
from decot.model.agent import Agent, ModelConfig
from decot.model.lesson import Lesson
from decot.model.play import Decisions, decide, walk
from decot.model.stream import Step
from decot.model.thoughts import Grounding
from decot.model.vocabulary import NAMES, SIZES
from decot.rl.ppo import PPOConfig, train
from schemas.columns import TARGETS

HOUR, LEAD = 3_600, 1_500
DAY = 86_400
WORLD = WorldConfig(kind="planted-edge", edge_bps_s=0.4, half_life_s=30.0, seconds_per_day=21_600, days=2)
PRICES = ("open", "high", "low", "close", "price", "vwap", "bid_price", "ask_price")
SIZES_OF_BOOK = ("bid_volume", "ask_volume", "bid_volume_5", "ask_volume_5", "bid_volume_20", "ask_volume_20")


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """An agent, what it was fitted with, and clean bars nobody has looked at."""

    agent: Agent
    scaler: Scaler
    grounding: Grounding
    regimes: RegimeModel
    base: Baseline
    clean: list[pl.DataFrame]
    """bars of further days"""


@dataclass(frozen=True, slots=True, eq=False)
class Watchable:
    """A stretch as the monitor is given it."""

    rows: np.ndarray
    seen: np.ndarray
    decisions: Decisions
    actions: np.ndarray
    mid: np.ndarray

    def ticks(self, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray, Step, float]]:
        """Bar by bar."""
        d, held = self.decisions, np.r_[np.int8(0), self.actions[:-1]]
        for t in range(start, len(self.mid)):
            step = Step(
                action=int(self.actions[t]), position=int(held[t]), words=d.words[t], probs=d.probs[t],
                forecasts=d.forecasts[t], value=d.value[t], exit_prob=d.exit_prob[t],
            )  # fmt: skip
            yield self.rows[t], self.seen[t], step, float(self.mid[t])


def table_of(bars: pl.DataFrame, regimes: RegimeModel) -> pl.DataFrame:
    """The features table of a day, without news."""
    cfg = FeatureConfig()
    matrix = compute(bars, cfg)
    weights = posteriors(regimes, regime_inputs(bars["close"].to_numpy(), RegimeConfig()))
    around = {f"regime_{k}": weights[:, k] for k in range(weights.shape[1])}
    return features_table(base_table(bars, cfg, matrix=matrix), matrix, around)[WARMUP:]


def watchable(
    agent: Agent, scaler: Scaler, table: pl.DataFrame, *,
    change: Callable[[np.ndarray], None] | None = None, words: np.ndarray | None = None,
) -> Watchable:  # fmt: skip
    seen = scaler.apply(observe(table)).copy()
    if change is not None:
        change(seen)
    decisions = decide(agent, seen, words=words)
    mid = ((table["bid_price"] + table["ask_price"]) / 2).to_numpy()
    return Watchable(table.select(OBSERVED).to_numpy(), seen, decisions, walk(decisions.actions_if), mid)


def clean_of(agent: Agent, scaler: Scaler, grounding: Grounding, table: pl.DataFrame) -> Clean:
    w = watchable(agent, scaler, table)
    return Clean(w.seen, grounding.label(columns_of(table)), w.decisions, w.actions, w.mid)


def settle(
    days: list[pl.DataFrame], clean: list[pl.DataFrame], venue: str, env_steps: int, days_made: int
) -> Setting:
    """Teach a demo-size agent on the first 70 % of the bars, keep its best weights by the rest, fit the monitor."""
    cut = round(sum(day.height for day in days) * 0.7)
    inputs = np.concatenate([regime_inputs(day["close"].to_numpy(), RegimeConfig()) for day in days])
    regimes = fit(inputs[:cut], RegimeConfig())
    table = pl.concat([table_of(day, regimes) for day in days])
    first, last = table[: cut - len(days) * WARMUP], table[cut - len(days) * WARMUP + 330 :]
    scaler, grounding = Scaler.fit(observe(first)), Grounding.fit(columns_of(first))
    lessons = [lesson_of(rows, scaler, grounding) for rows in (first, last)]
    rules = load_rules(venue, "BTC-USD")
    steps = [step_rewards(tape_of(rows, 300.0), rules) for rows in (first, last)]
    agent = Agent(ModelConfig(n_features=len(OBSERVATION)), 0)
    done = train(
        agent, lessons[0], steps[0], PPOConfig(env_steps=env_steps), validation=(lessons[1], steps[1])
    )
    say(f"taught: best validation {done.best_bps:.0f} bps; fitting the monitor")
    taught, unseen = (clean_of(done.agent, scaler, grounding, rows) for rows in (first, last))
    base = fit_baseline(taught, unseen, grounding, clock_ms=1_000, cfg=MonitorConfig(), days=days_made)
    return Setting(done.agent, scaler, grounding, regimes, base, clean)


def lesson_of(rows: pl.DataFrame, scaler: Scaler, grounding: Grounding) -> Lesson:
    targets = np.stack([rows[name].to_numpy().astype(np.float32) for name in TARGETS], 1)
    return Lesson(scaler.apply(observe(rows)), grounding.label(columns_of(rows)), targets)


def world(env_steps: int, days_made: int, n_clean: int) -> Setting:
    """The demo's embedded world: two days of six hours teach, others are clean."""
    whole = build_bars(make_world(WORLD), 1_000)
    since = whole["timestamp"].to_numpy() - 1
    is_open = since % 86_400_000 < WORLD.seconds_per_day * 1_000
    days = [
        whole.filter(pl.Series(is_open & (since // 86_400_000 == d)))
        for d in np.unique(since[is_open] // 86_400_000)
    ]
    return settle(days, [clean_day(100 + k) for k in range(n_clean)], "demo", env_steps, days_made)


def clean_day(seed: int) -> pl.DataFrame:
    """Bars of another six hours of the embedded world."""
    return build_bars(make_world(replace(WORLD, seed=seed, days=1)), 1_000)


def standx(env_steps: int, days_made: int, n_clean: int) -> Setting:
    """06 teaches, 07 is clean; at no fee, or an agent this small learns to stay out and there is little to watch."""
    bars = build_bars(open_tape(Path(os.environ["DECOT_TAPES"]) / "standx-btcusd"), 1_000, "recv")
    day = (bars["timestamp"].to_numpy() - 1) // 86_400_000
    days, lengths = np.unique(day, return_counts=True)
    taught, clean = (bars.filter(pl.Series(day == d)) for d in days[lengths > HOUR * 12][-2:])
    return settle([taught], [clean], "zero-fee", env_steps, days_made)


@dataclass(slots=True)
class Tally:
    """Alarms on bars where nothing was wrong."""

    bars: int = 0
    reduce: int = 0
    flat: int = 0
    restricted: int = 0
    """bars on which it may not do as it likes"""
    blamed: Counter[str] = field(default_factory=Counter)
    before: str = "normal"

    def take(self, level: str, why: str) -> None:
        if level != self.before and level != "normal":
            self.reduce += self.before == "normal"
            self.flat += level == "flat"
            self.blamed[f"{level}: {why}"] += 1
        self.before = level
        self.restricted += level != "normal"
        self.bars += 1

    def told(self, cfg: MonitorConfig) -> dict[str, Any]:
        return {
            "bars": self.bars, "reduce": self.reduce, "flat": self.flat,
            "reduce_per_day": round(self.reduce * DAY / self.bars, 3),
            "flat_per_day": round(self.flat * DAY / self.bars, 3),
            "declared_reduce_per_day": cfg.reduce_per_day, "declared_flat_per_day": cfg.flat_per_day,
            "share_of_time_restricted": round(self.restricted / self.bars, 4),
            "blamed": dict(self.blamed.most_common(12)),
        }  # fmt: skip


def false_alarms(at: Setting, n_onsets: int, rng: np.random.Generator) -> tuple[dict[str, Any], list[Any]]:
    """Alarms per 86,400 clean bars, and monitors as they stood at random bars of the first days, with the bars around."""
    base, tally, places, spent = latched(at.base, False), Tally(), [], 0.0
    per_day = max(1, n_onsets // len(at.clean))
    for day in at.clean:
        table = table_of(day, at.regimes)
        w, monitor = watchable(at.agent, at.scaler, table), Monitor(base)
        wanted = min(per_day, n_onsets - len(places))
        onsets = set(rng.integers(LEAD, len(w.mid) - HOUR - 1, wanted).tolist())
        begun, tally.before = time.process_time(), "normal"
        for t, tick in enumerate(w.ticks()):
            if t in onsets:
                places.append((day, table, w, t, copy.deepcopy(monitor)))
            verdict = monitor.step(*tick)
            tally.take(verdict.level, verdict.why)
        spent += time.process_time() - begun
    return tally.told(base.cfg) | {"microseconds_per_bar": round(spent / tally.bars * 1e6, 1)}, places


Fault = Callable[[Setting, Any, np.random.Generator], Watchable]


def swapped(swap: Callable[[Agent], None]) -> Fault:
    """Two heads of the network exchanged from the onset on; the memory of the trunk is the same."""

    def fault(at: Setting, place: Any, rng: np.random.Generator) -> Watchable:
        _, table, _, t, _ = place
        broken = copy.deepcopy(at.agent)
        with torch.no_grad():
            swap(broken)
        return watchable(broken, at.scaler, table[t - LEAD : t + HOUR])

    return fault


def mirror(agent: Agent) -> None:
    """Long and short change places everywhere: policy, exit and value."""
    mirrored = [3 * (2 - p) + (2 - a) for p in range(3) for a in range(3)]
    for head, order in ((agent.policy, mirrored), (agent.exit, [2, 1, 0]), (agent.value, [2, 1, 0])):
        head.weight.copy_(head.weight[order].clone())
        head.bias.copy_(head.bias[order].clone())


def swap_exit(agent: Agent) -> None:
    """The exits of long and short change places, nothing else."""
    agent.exit.weight.copy_(agent.exit.weight[[2, 1, 0]].clone())
    agent.exit.bias.copy_(agent.exit.bias[[2, 1, 0]].clone())


def swap_forecasts(agent: Agent) -> None:
    """The 10 s return and the worst move change places."""
    agent.foresee.weight[[1, 3]] = agent.foresee.weight[[3, 1]].clone()
    agent.foresee.bias[[1, 3]] = agent.foresee.bias[[3, 1]].clone()


def swap_profit(agent: Agent) -> None:
    """The 10 s return and the profit after costs, which is never negative, change places."""
    agent.foresee.weight[[1, 4]] = agent.foresee.weight[[4, 1]].clone()
    agent.foresee.bias[[1, 4]] = agent.foresee.bias[[4, 1]].clone()


def swap_words(agent: Agent) -> None:
    """Flow answers for trend and trend for flow."""
    a, b = (agent.cfg.questions.index(name) for name in ("flow", "trend"))
    agent.answer[a], agent.answer[b] = agent.answer[b], agent.answer[a]


def frozen(name: str) -> Fault:
    """A column keeps the value it had."""
    place_of = OBSERVATION.index(name)

    def fault(at: Setting, place: Any, rng: np.random.Generator) -> Watchable:
        def freeze(seen: np.ndarray) -> None:
            seen[LEAD:, place_of] = seen[LEAD, place_of]

        t = place[3]
        return watchable(at.agent, at.scaler, place[1][t - LEAD : t + HOUR], change=freeze)

    return fault


Change = Callable[[pl.DataFrame, int], dict[str, np.ndarray]]
"""(bars, row of the onset) → the columns that are other from there on"""


def remade(change: Change) -> Fault:
    """The bars themselves are another market's from the onset on; every column is computed from them anew."""

    def fault(at: Setting, place: Any, rng: np.random.Generator) -> Watchable:
        day, _, _, t, _ = place
        t += WARMUP
        first = max(0, t - LEAD - 3_000)
        part = day[first : t + HOUR]
        changed = {name: pl.Series(values) for name, values in change(part, t - first).items()}
        return watchable(
            at.agent, at.scaler, table_of(part.with_columns(**changed), at.regimes)[-(LEAD + HOUR) :]
        )

    return fault


def wilder(factor: float) -> Change:
    """Every move of the price is so many times as large; so is the spread."""

    def change(part: pl.DataFrame, onset: int) -> dict[str, np.ndarray]:
        anchor = part["close"][onset]
        changed = {name: part[name].to_numpy().copy() for name in PRICES}
        for values in changed.values():
            values[onset:] = anchor * (values[onset:] / anchor) ** factor
        return changed

    return change


def thinner(factor: float) -> Change:
    """The book of another venue: a spread so many times as wide as usual, and so much less in it."""

    def change(part: pl.DataFrame, onset: int) -> dict[str, np.ndarray]:
        bid, ask = part["bid_price"].to_numpy().copy(), part["ask_price"].to_numpy().copy()
        usual, mid = (ask[:onset] - bid[:onset]).mean(), (bid + ask) / 2
        half = np.maximum(ask - bid, usual) * factor / 2
        bid[onset:], ask[onset:] = (mid - half)[onset:], (mid + half)[onset:]
        sizes = {name: part[name].to_numpy().copy() for name in SIZES_OF_BOOK}
        for values in sizes.values():
            values[onset:] /= factor
        return {"bid_price": bid, "ask_price": ask, **sizes}

    return change


def dried_up(factor: float) -> Change:
    """Moves so many times as large while hardly anybody trades: a tenth of the trades and of what they trade."""
    move = wilder(factor)

    def change(part: pl.DataFrame, onset: int) -> dict[str, np.ndarray]:
        changed = move(part, onset)
        for name in ("volume", "buy_volume", "sell_volume", "n_trades"):
            values = part[name].to_numpy().copy()
            values[onset:] = values[onset:] // 10 if name == "n_trades" else values[onset:] / 10
            changed[name] = values
        return changed

    return change


def corrupted(share: float) -> Fault:
    """Every answer is replaced by any other one with this probability."""

    def fault(at: Setting, place: Any, rng: np.random.Generator) -> Watchable:
        t = place[3]
        words = np.full((LEAD + HOUR, len(NAMES)), -1, np.int8)
        hit = rng.random((HOUR, len(NAMES))) < share
        words[LEAD:][hit] = rng.integers(0, np.broadcast_to(SIZES, hit.shape))[hit]
        return watchable(at.agent, at.scaler, place[1][t - LEAD : t + HOUR], words=words)

    return fault


def faults_of(at: Setting) -> dict[str, Fault]:
    """Every fault, by what a reader would call it."""
    names = [name for name in at.base.bins.names if name in OBSERVATION]
    finite = [n for n in names if np.isfinite(at.base.longest_run[OBSERVATION.index(n)])]
    chosen = [
        n
        for n in ("imb_5", "order_imbalance", "imb_mean_30", "ret_60", "vol_60", "flow_30", "rsi", "macd_bps")
        if n in finite
    ]
    return {
        "swapped heads: long and short": swapped(mirror),
        "swapped heads: the exits of long and short": swapped(swap_exit),
        "swapped heads: 10 s return and worst move": swapped(swap_forecasts),
        "swapped heads: 10 s return and profit": swapped(swap_profit),
        "swapped heads: flow and trend answers": swapped(swap_words),
        **{f"frozen column: {name}": frozen(name) for name in chosen},
        "market never seen: moves × 3": remade(wilder(3.0)),
        "market never seen: moves × 6": remade(wilder(6.0)),
        "market never seen: moves × 6, a tenth of the trades": remade(dried_up(6.0)),
        "market never seen: spread × 20, a twentieth in the book": remade(thinner(20.0)),
        "corrupted words: 5 % of answers": corrupted(0.05),
        "corrupted words: 20 % of answers": corrupted(0.2),
    }


def detect(at: Setting, places: list[Any], rng: np.random.Generator) -> dict[str, Any]:
    """Per fault: share detected within an hour of bars, and how many seconds it took."""
    told = {}
    for name, fault in faults_of(at).items():
        reduce, flat = [], []
        blamed: Counter[str] = Counter()
        for place in places:
            monitor = copy.deepcopy(place[4])
            if monitor.level != "normal":
                continue
            reduced = flatted = None
            for t, tick in enumerate(fault(at, place, rng).ticks(LEAD)):
                verdict = monitor.step(*tick)
                if verdict.level != "normal" and reduced is None:
                    reduced = t + 1
                    blamed[verdict.why.rsplit("(", 1)[1].split(" ")[0]] += 1
                if verdict.level == "flat":
                    flatted = t + 1
                    break
            reduce.append(reduced)
            flat.append(flatted)
        told[name] = {
            "tried": len(reduce), "detected": share(reduce), "delay_s": middle(reduce),
            "flat": share(flat), "flat_delay_s": middle(flat), "by": dict(blamed.most_common(3)),
        }  # fmt: skip
        say(f"{name:48s} {told[name]}")
    return told


def share(found: list[int | None]) -> float:
    return round(sum(one is not None for one in found) / max(1, len(found)), 3)


def middle(found: list[int | None]) -> float | None:
    seen = [one for one in found if one is not None]
    return float(np.median(seen)) if seen else None


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(source: str, env_steps: int, onsets: int, days_made: int, n_clean: int) -> dict[str, Any]:
    begun = time.monotonic()
    at = {"world": world, "standx": standx}[source](env_steps, days_made, n_clean)
    rng = np.random.default_rng(1)
    say(f"{source}: bounds { ({k: tuple(round(x, 2) for x in v) for k, v in at.base.bounds.items()}) }")
    alarms, places = false_alarms(at, onsets, rng)
    say(f"{source}: {alarms}")
    return {"clean": alarms, "faults": detect(at, places, rng), "seconds": round(time.monotonic() - begun, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--source", nargs="+", default=["world", "standx"], choices=["world", "standx"])
    parser.add_argument("--env-steps", type=int, default=200_000)
    parser.add_argument("--onsets", type=int, default=8)
    parser.add_argument("--days", type=int, default=12, help="whole days put together for calibration")
    parser.add_argument("--clean", type=int, default=24, help="clean days of six hours of the world")
    options = parser.parse_args()
    torch.set_num_threads(1)
    skipped = (
        [] if "DECOT_TAPES" in os.environ else ["standx: set DECOT_TAPES to the folder of recorded tapes"]
    )
    told = {
        source: measure(source, options.env_steps, options.onsets, options.days, options.clean)
        for source in options.source
        if source != "standx" or not skipped
    }
    groups = ("swapped heads", "frozen column", "market never seen", "corrupted words")
    ours = {source: _grouped(found, groups) for source, found in told.items()}
    met = all(
        group[kind]["detected"] >= 0.9 for group in ours.values() for kind in groups if kind in group
    ) and all(
        found["clean"]["reduce_per_day"] <= 3 * found["clean"]["declared_reduce_per_day"]
        for found in told.values()
    )
    result = {
        "name": "monitor", "ours": ours, "peers": {}, "ratios": {}, "skipped": skipped,
        "targets": {"detected": 0.9, "false_alarms_over_declared": 3.0}, "met": met, "full": told,
    }  # fmt: skip
    print(json.dumps(result) if options.json else json.dumps(result, indent=1))


def _grouped(found: dict[str, Any], groups: tuple[str, ...]) -> dict[str, Any]:
    """Per kind of fault: mean share detected and the median of the delays, beside the false alarms."""
    out: dict[str, Any] = {name: found["clean"][name] for name in ("reduce_per_day", "flat_per_day")}
    for group in groups:
        rows = [row for name, row in found["faults"].items() if name.startswith(group)]
        out[group] = {
            "detected": round(float(np.mean([row["detected"] for row in rows])), 3),
            "delay_s": middle([row["delay_s"] for row in rows]),
            "flat": round(float(np.mean([row["flat"] for row in rows])), 3),
        }
    return out


if __name__ == "__main__":
    main()
