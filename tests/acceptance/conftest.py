"""What the acceptance modules share: the command line as a person uses it, and one whole demo run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TINY = """
clock_ms = 1000
text_stand_in = true

[world]
days = 2
seconds_per_day = 5400
edge_bps_s = 0.4
half_life_s = 30.0

[market]
venue = "demo"

[learning]
env_steps = 20000

[search]
generations = 1
population = 2
trials = 1
inherit = false

[search.bounds]
conv_filters = [8]
kernel = [3]
pool = [1]
lstm_units = [16]
word_width = [4]
algorithms = ["ppo-exact"]

[finals]
seeds = 2

[session]
minutes = 5

[track]
enabled = false
"""
"""a profile that says nothing about markets: it only walks through every room"""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of stdout."""
        return json.loads(self.out.strip().splitlines()[-1])


def decot(*words: str, timeout: float = 900) -> Said:
    """`decot WORDS…` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "decot", *words],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def tiny_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def run_decot():
    return decot
