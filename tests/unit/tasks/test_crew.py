"""Whoever evaluates a population, the ledger is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from decot.errors import ConfigError
from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate
from decot.experiment.config import CrewConfig, load_profile
from tasks.crew import crew

CFG = SearchConfig(generations=2, population=4, trials=2, rungs=(0.5, 1.0), subject="crew")


def head(folder, runner=None):
    ledger = Ledger(folder / "l.jsonl", fsync=False)
    return search(Surrogate(), CFG, ledger, folder / "w", runner=runner).ledger_head


@pytest.mark.parametrize("kind", ["here", "processes", "dask"])
def test_every_crew_leaves_the_same_ledger(tmp_path, kind):
    """This process, two others, a cluster of our own: one head."""
    if kind == "dask":
        pytest.importorskip("distributed")
    with crew(CrewConfig(runner=kind), str(tmp_path / "spill")) as runner:
        assert head(tmp_path / kind, runner) == head(tmp_path / "plain")


IN_A_FLOW = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from prefect import flow
from test_crew import CFG, CrewConfig, crew, head

@flow(persist_result=False)
def run(folder: str) -> str:
    with crew(CrewConfig(runner="prefect-dask"), folder + "/spill") as runner:
        return head(Path(folder) / "prefect", runner)

if __name__ == "__main__":
    print(json.dumps(run(sys.argv[2])))
"""


@pytest.mark.slow
def test_trials_as_prefect_task_runs_on_dask_leave_the_same_ledger(tmp_path):
    """prefect-dask: each trial a task run on a worker of a real cluster, and still the same head."""
    pytest.importorskip("prefect_dask")
    script = tmp_path / "in_a_flow.py"
    script.write_text(IN_A_FLOW)
    env = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect-home")}
    done = subprocess.run(
        [sys.executable, str(script), os.path.dirname(__file__), str(tmp_path)],
        capture_output=True, text=True, env=env, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == head(tmp_path / "plain")


def test_a_profile_names_its_crew(tmp_path):
    """A crew is a section of the profile; an unknown runner or no worker is refused in words."""
    profile = tmp_path / "mine.toml"
    profile.write_text('[crew]\nrunner = "dask"\nworkers = 3\n')
    assert load_profile(str(profile)).crew == CrewConfig(runner="dask", workers=3)
    profile.write_text('[crew]\nrunner = "spark"\nworkers = 0\n')
    with pytest.raises(ConfigError, match="crew.runner = 'spark'"):
        load_profile(str(profile))
