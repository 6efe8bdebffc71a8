"""Four tiny worlds with a known answer: does each algorithm learn what can be learned, and nothing in noise?

    python -m benchmarks.worlds --json [--algorithms ppo-exact ppo-gae grpo] [--worlds repeat oracle planted noise]
                                [--seeds 5] [--cache FILE] [--tuning]
    python -m benchmarks.worlds --words [--seeds 3] [--first 2000]     words and heads on the planted world

Every seed has its own network, its own luck and its own three tapes: to learn from, to choose the weights by, and a third
that is looked at once, for the figure. The settings of each algorithm stand in `decot.rl.algorithms.SETTINGS`; they were
chosen with `--tuning`, which uses other seeds. `--cache` keeps what is done, so that a stopped run goes on.

repeat   ≥ 95 % of hindsight · oracle ≥ 80 % of hindsight after costs · planted ≥ 70 % of the true filter with its best
threshold · noise: no more than one round trip a day of 14,400 bars, which in noise is all there is to lose.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from scipy.stats import t as student

from decot.model.agent import Agent, ModelConfig
from decot.rl.algorithms import ALGORITHMS, plan, teach
from decot.rl.training import profit
from decot.rl.worlds import KINDS, World, make

DAY = 14_400
"""bars"""
CHANGES_PER_DAY = 2.0
"""unit changes of position in one round trip"""
REPORTED, TUNED = 2_000, 9_000
"""seeds begin here: of tapes, networks and luck alike"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of a world there is, and how long it is looked at."""

    rows: tuple[int, int, int]
    """to learn from, to choose by, to report on"""
    env_steps: int
    batch: int = 16
    length: int = 256
    burn_in: int = 100
    eval_every: int = 10
    learning_rate: float = 8e-3
    tail: int = 128
    """of GRPO's episodes: about as long as a decision here takes to pay"""


SIZES = {
    "repeat": Size(rows=(20_000, 5_000, 10_000), env_steps=30_000, batch=8, length=64, burn_in=16, tail=8),
    "oracle": Size(rows=(40_000, 5_000, 10_000), env_steps=60_000, batch=8, length=64, burn_in=16, tail=16),
    "planted": Size(rows=(200_000, 20_000, 40_000), env_steps=600_000, batch=8, learning_rate=4e-3),
    "noise": Size(rows=(100_000, DAY, 3 * DAY), env_steps=80_000, batch=8),
    "readable": Size(rows=(100_000, 10_000, 12_000), env_steps=200_000, batch=8),
}
WORLDS = ("repeat", "oracle", "planted", "noise")
"""those with a bound; `readable` is where every head has something to find"""
CAUTION = 2.0
"""standard errors taken off a look on the choosing tape, the same everywhere"""


def tapes(kind: str, seed: int, first: int) -> tuple[World, World, World]:
    """Three tapes of one kind that no other seed sees."""
    learn, choose, report = (
        make(kind, n, first + 10 * seed + part) for part, n in enumerate(SIZES[kind].rows)
    )
    return learn, choose, report


def taught(
    name: str, kind: str, seed: int, first: int, *, unrestricted: bool = False, **settings: Any
) -> tuple[Agent, World, float]:
    """An agent that has learned a world, the tape nobody has looked at, and CPU-seconds spent."""
    size, (learn, choose, report) = SIZES[kind], tapes(kind, seed, first)
    shape, env_steps = {"batch": size.batch, "length": size.length}, size.env_steps
    if (
        name == "grpo"
    ):  # its episodes have a tail that is walked and not taught: as many updates as the others
        shape = {"batch": size.batch, "length": size.length + size.tail, "tail": size.tail}
        env_steps = env_steps * (size.length + size.tail) // size.length
    cfg = plan(
        name, env_steps=env_steps, burn_in=size.burn_in, eval_every=size.eval_every, caution=CAUTION,
        **{"learning_rate": size.learning_rate, **shape, **settings},
    )  # fmt: skip
    own = first + seed
    agent = Agent(ModelConfig(n_features=learn[0].obs.shape[1], unrestricted=unrestricted), own)
    start = time.process_time()
    teach(name, agent, *learn, cfg, validation=choose, seed=own)
    return agent, report, time.process_time() - start


def trial(name: str, kind: str, seed: int, first: int, **settings: Any) -> dict[str, float]:
    """One algorithm, one world, one seed: what it earned of what there was, on the third tape."""
    agent, report, seconds = taught(name, kind, seed, first, **settings)
    bps, changes = profit(agent, *report)
    worth = KINDS[kind].worth(report)
    return {
        "seed": seed,
        "bps": round(bps, 1),
        "worth_bps": round(worth, 1),
        "share": round(bps / worth, 4) if worth > 0 else 0.0,
        "changes_per_day": round(changes * DAY / len(report[0]), 3),
        "fees_bps_per_day": round(
            changes * float(report[1].cost_buy_bps[0]) * DAY / len(report[0]), 3
        ),
        "cpu_s": round(seconds, 1),
    }  # fmt: skip


def summary_of(values: list[float]) -> dict[str, Any]:
    """Mean and its 95 % confidence interval by Student's t."""
    mean, n = float(np.mean(values)), len(values)
    half = float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    return {"mean": round(mean, 3), "ci95": [round(mean - half, 3), round(mean + half, 3)]}


def summary(kind: str, rows: list[dict[str, float]]) -> dict[str, Any]:
    """Mean, 95 % confidence interval, and whether the bound is met by the mean and by every seed."""
    figure = "changes_per_day" if kind == "noise" else "share"
    values = np.array([row[figure] for row in rows])
    bound = CHANGES_PER_DAY if kind == "noise" else KINDS[kind].bound
    holds = values <= bound if kind == "noise" else values >= bound
    mean = float(values.mean())
    return {
        "figure": figure,
        **summary_of(list(values)),
        "bound": bound,
        "met": bool(mean <= bound if kind == "noise" else mean >= bound),
        "seeds_met": f"{int(holds.sum())}/{len(holds)}",
        "cpu_s": round(float(np.mean([row["cpu_s"] for row in rows])), 1),
        "seeds": rows,
    }


class Cache:
    """What is done, one JSON line per trial; without a file nothing is remembered."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self.done = {line["key"]: line["row"] for line in map(json.loads, lines)}

    def of(self, key: str, work: Any) -> Any:
        """What `work` gives, or gave."""
        if key not in self.done:
            self.done[key] = work()
            if self.path is not None:
                with self.path.open("a") as file:
                    file.write(json.dumps({"key": key, "row": self.done[key]}) + "\n")
        return self.done[key]


def measure(
    algorithms: Iterable[str], kinds: Iterable[str], seeds: int, first: int, cache: Cache
) -> dict[str, Any]:
    """Every algorithm on every world."""
    torch.set_num_threads(1)
    table: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        for name in algorithms:
            rows = []
            for seed in range(seeds):
                key = json.dumps([name, kind, seed, first])
                rows.append(cache.of(key, lambda n=name, k=kind, s=seed: trial(n, k, s, first)))
                print(f"{kind:8s} {name:10s} {json.dumps(rows[-1])}", file=sys.stderr, flush=True)
            table.setdefault(kind, {})[name] = summary(kind, rows)
    return {
        "name": "worlds",
        "worlds": table,
        "world_seeds": f"{first}+",
        "settings_chosen_on": f"{TUNED}+",
        "met": all(cell["met"] for cells in table.values() for cell in cells.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS, default=list(ALGORITHMS))
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="a file that remembers every trial done")
    parser.add_argument("--tuning", action="store_true", help="the worlds the settings were chosen on")
    parser.add_argument("--first", type=int, default=REPORTED, help="seeds begin here")
    parser.add_argument(
        "--briefly", action="store_true", help="with --words: no heads, no twin; a minute in place of twelve"
    )
    parser.add_argument("--words", action="store_true", help="words and heads on the planted world instead")
    options = parser.parse_args()
    if options.words:
        from benchmarks import words

        judged = words.briefly if options.briefly else words.measure
        told = judged(options.seeds, options.first, Cache(options.cache))
        print(json.dumps(told) if options.json else f"met: {told['met']}; {told['worst_seed']}")
        return
    first = TUNED if options.tuning else options.first
    found = measure(options.algorithms, options.worlds, options.seeds, first, Cache(options.cache))
    for kind, cells in found["worlds"].items():
        for name, cell in cells.items():
            low, high = cell["ci95"]
            print(
                f"{kind:8s} {name:10s} {cell['figure']:15s} {cell['mean']:7.3f}  [{low:.3f}, {high:.3f}]  bound "
                f"{cell['bound']:.2f}  {'met' if cell['met'] else 'MISSED'}  {cell['seeds_met']}  {cell['cpu_s']} s",
                file=sys.stderr,
            )
    print(json.dumps(found) if options.json else f"met: {found['met']}")


if __name__ == "__main__":
    main()
