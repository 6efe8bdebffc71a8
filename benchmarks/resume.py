"""kill −9 at random instants, go on, and compare with a training nobody touched: the weights must be the same to the bit.

    python -m benchmarks.resume [--json] [--kills 20] [--algorithms ppo-exact ppo-gae grpo ppo-exact+carried] [--seed 0]

Each algorithm trains a small agent (dropout on, so that torch's own luck is in it too, except where the state is carried,
which knows none) in a child process. The child is
killed at a random instant, again and again, and started anew from what its folder holds, until it has died `--kills`
times; a training that ends before that is compared and followed by the next, from another seed. POSIX only: it forks.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import weights_hash
from decot.rl.algorithms import ALGORITHMS, plan, teach
from decot.rl.worlds import make

SMALL: dict[str, Any] = {"batch": 8, "length": 48, "burn_in": 12, "eval_every": 4, "save_every": 2}
UPDATES = 40
NAMES = (*ALGORITHMS, "ppo-exact+carried")


def train_once(name: str, seed: int, folder: Path | None) -> str:
    """A whole training, resumed from `folder` where one was begun; the hash of its weights."""
    torch.set_num_threads(1)
    data, valid = make("oracle", 1_200, seed + 1), make("oracle", 400, seed + 2)
    name, _, is_carried = name.partition("+")
    shape = (
        SMALL | {"carried": bool(is_carried)} | ({"tail": 8, "reference_every": 7} if name == "grpo" else {})
    )
    cfg = plan(name, env_steps=UPDATES * 8 * 48, caution=1.0, **shape)
    dropout = 0.0 if is_carried else 0.1
    agent = Agent(ModelConfig(n_features=8, conv_filters=4, lstm_units=8, dropout=dropout), seed)
    return weights_hash(teach(name, agent, *data, cfg, validation=valid, seed=seed, resume=folder).agent)


def in_child(name: str, seed: int, folder: Path, told: Path, wait_s: float | None) -> bool:
    """Train in a child; kill it after `wait_s` unless it has ended by then. Whether it was killed."""
    pid = os.fork()
    if pid == 0:
        told.write_text(train_once(name, seed, folder))
        os._exit(0)
    end = time.monotonic() + (wait_s if wait_s is not None else 1e9)
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return not told.exists()


def drill(name: str, kills: int, seed: int = 0) -> dict[str, Any]:
    """Kill one algorithm's trainings `kills` times; how many trainings ended, and how many as they should."""
    train_once(name, seed, None)  # compiles
    rng, died, ended, same, points = np.random.default_rng(seed), 0, 0, 0, []
    while died < kills:
        begun = time.monotonic()
        whole = train_once(name, seed, None)
        span = time.monotonic() - begun
        with tempfile.TemporaryDirectory() as home:
            folder, told = Path(home) / "state", Path(home) / "hash"
            while not told.exists():
                wait = float(rng.uniform(0, span / 3)) if died < kills else None
                if in_child(name, seed, folder, told, wait):
                    died += 1
                    points.append(round((wait or 0.0) / span, 3))
            ended, same = ended + 1, same + (told.read_text() == whole)
        seed += 100
    return {"kills": died, "trainings": ended, "same_weights": same, "kill_after_share_of_a_run": points}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--algorithms", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name in options.algorithms:
        found[name] = drill(name, options.kills, options.seed)
        line = found[name]
        print(
            f"{name:10s} killed {line['kills']} times, {line['same_weights']} of {line['trainings']} trainings the same",
            file=sys.stderr,
            flush=True,
        )
    met = all(line["same_weights"] == line["trainings"] for line in found.values())
    print(json.dumps({"name": "resume", "algorithms": found, "met": met}) if options.json else f"met: {met}")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
