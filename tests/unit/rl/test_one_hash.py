"""One seed, one set of weights: whatever the number of threads, and whether kernels were compiled here or before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

TEACH = """
import sys, torch
torch.set_num_threads(int(sys.argv[2]))
from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import weights_hash
from decot.rl.algorithms import plan, teach
from decot.rl.worlds import make
tail = {"tail": 8} if sys.argv[1] == "grpo" else {}
cfg = plan(sys.argv[1], env_steps=3 * 256, batch=8, length=32, burn_in=8, save_every=1, eval_every=1, **tail)
agent = Agent(ModelConfig(n_features=8, conv_filters=4, lstm_units=8, dropout=0.1), 0)
print(weights_hash(teach(sys.argv[1], agent, *make("oracle", 600, 1), cfg, seed=3).agent))
"""


@pytest.mark.parametrize("name", ["ppo-exact", "grpo"])
def test_threads_and_compilation_leave_no_trace(tmp_path, name):
    """A first process compiles into an empty cache, a second loads from it, a third has two threads: one hash."""

    def taught(threads: int) -> str:
        known = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        words = [sys.executable, "-c", TEACH, name, str(threads)]
        return subprocess.run(words, env=known, check=True, capture_output=True, text=True).stdout.strip()

    assert len({taught(1), taught(1), taught(2)}) == 1
