"""A training killed outright ends where one that was left alone does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import weights_hash
from decot.rl.algorithms import ALGORITHMS, plan, teach
from decot.rl.memory import FILE
from decot.rl.worlds import make

CHILD = """
import sys, torch
from pathlib import Path
from decot.rl.algorithms import plan, teach
from decot.rl.worlds import make
from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import weights_hash
torch.set_num_threads(1)
name, folder = sys.argv[1], Path(sys.argv[2])
shape = dict(batch=8, length=32, burn_in=8, save_every=1, eval_every=1)
cfg = plan(name, env_steps=8 * 256, **shape, **({"tail": 8} if name == "grpo" else {}))
agent = Agent(ModelConfig(n_features=8, conv_filters=4, lstm_units=8, dropout=0.1), 0)
def told(line):
    print(int(line["update"]), flush=True)
found = teach(name, agent, *make("oracle", 600, 1), cfg, seed=3, resume=folder, callback=told)
print(weights_hash(found.agent), flush=True)
"""


def killed_after(name: str, folder: Path, update: int) -> None:
    """Start a child and kill it as soon as it has told of this update."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, name, str(folder)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= update:
                os.kill(child.pid, signal.SIGKILL)
                return


def test_two_kills_leave_no_trace(tmp_path):
    """GRPO, which remembers most (its reference too), killed at updates 2 and 5: the hash of an uninterrupted run."""
    killed_after("grpo", tmp_path, 2)
    assert (tmp_path / FILE).exists()
    killed_after("grpo", tmp_path, 5)
    cfg = plan("grpo", env_steps=8 * 256, batch=8, length=32, burn_in=8, save_every=1, eval_every=1, tail=8)
    hashes = []
    for folder in (tmp_path, None):
        agent = Agent(ModelConfig(n_features=8, conv_filters=4, lstm_units=8, dropout=0.1), 0)
        found = teach("grpo", agent, *make("oracle", 600, 1), cfg, seed=3, resume=folder)
        hashes.append(weights_hash(found.agent))
    assert hashes[0] == hashes[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ALGORITHMS)
def test_twenty_kills_leave_no_trace(name):
    """`benchmarks.resume` at 20 random instants; every training ends with the weights it should."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.resume", "--kills", "20", "--algorithms", name], check=False
    )
    assert done.returncode == 0, f"after {time.monotonic() - begun:.0f} s"
