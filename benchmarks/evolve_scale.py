"""How much a second Dask worker is worth: the same search on one and on two, and whether all agree with this process.

Beside it, in the same run, what this machine allows at all: the same work in two plain processes against one. Two cores of
one chip share cache and clock, and a machine has other work to do; no cluster beats that figure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from decot.evolve.genome import Genome
from decot.evolve.ledger import Ledger
from decot.evolve.runner import THREAD_VARIABLES, DaskRunner
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate
from decot.evolve.trial import Evaluation, Params

WORLD = Surrogate()
CFG = SearchConfig(generations=2, population=8, trials=1, elites=0, subject="scale")
TARGET = 1.7
_FACTOR = np.linspace(-1.0, 1.0, 96 * 96).reshape(96, 96) / 96


def scale_out(seconds: float = 0.5, rounds: int = 3) -> dict[str, Any]:
    """The same search on real Dask clusters of one single-threaded worker and of two, both up all the time and taking turns,
    `rounds` times: with trainings that burn a core, and with trainings that wait (for another device, say). The second
    shows what the search's own order allows; efficiency is speed-up ÷ what two plain processes gain.

    Other work on the machine only ever adds seconds, and adds them to two workers first: the speed-up is that of the fastest
    turns, that of the medians stands beside it. Far apart, they say that the machine was not idle.
    """
    import distributed

    n_products = _products_in(seconds)
    kinds = {"burning": Burning(n_products), "waiting": Waiting(seconds)}
    found: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 2)}
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        result = search(WORLD, CFG, Ledger(plain / "l.jsonl", fsync=False), plain)
        heads, n_tasks = {result.ledger_head}, result.trials

        def timed(workers: int, kind: str, client: Any, turn: int) -> None:
            place = Path(folder) / f"{kind}-{workers}-{turn}"
            ledger, began = Ledger(place / "l.jsonl", fsync=False), time.perf_counter()
            result = search(kinds[kind], CFG, ledger, place, runner=DaskRunner(client))
            times.setdefault(f"{kind}_{workers}", []).append(time.perf_counter() - began)
            heads.add(result.ledger_head)

        for workers in (1, 2):  # one cluster at a time: an idle one still listens
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                local_directory=folder,
            )
            with cluster, distributed.Client(cluster) as client:
                client.gather(client.map(_warm, range(4 * workers), pure=False))
                for turn in range(rounds):
                    for kind in kinds:
                        timed(workers, kind, client, turn)
                    times.setdefault(f"plain_{workers}", []).append(_plainly(workers, n_tasks, n_products))
    found["seconds"] = {name: [round(value, 2) for value in values] for name, values in times.items()}
    for kind in ("burning", "waiting", "plain"):
        one, two = times[f"{kind}_1"], times[f"{kind}_2"]
        found[f"{kind}_speedup"] = round(min(one) / min(two), 3)
        found[f"{kind}_speedup_median"] = round(float(np.median(one) / np.median(two)), 3)
    found["efficiency"] = round(found["burning_speedup"] / found["plain_speedup"], 3)
    found["agree"] = len(heads) == 1
    return {**found, "target": TARGET, "met": found["agree"] and found["burning_speedup"] >= TARGET}


@dataclass(frozen=True)
class Waiting:
    """A surrogate training that takes time and no core."""

    seconds: float

    def __call__(self, genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        time.sleep(self.seconds)
        return WORLD(genome, params, seed, trial_dir)


@dataclass(frozen=True)
class Burning:
    """A surrogate training that does a fixed amount of arithmetic on one core, as small nets do."""

    n_products: int

    def __call__(self, genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        burn(self.n_products)
        return WORLD(genome, params, seed, trial_dir)


def burn(n_products: int) -> float:
    """So many products of small matrices."""
    x = np.eye(96)
    for _ in range(n_products):
        x = np.tanh(x @ _FACTOR + 0.1)
    return float(x[0, 0])


def _products_in(seconds: float) -> int:
    """How many products this machine does in that time when it is left alone: the fastest of five tries."""
    tries = []
    for _ in range(5):
        began = time.perf_counter()
        burn(500)
        tries.append(time.perf_counter() - began)
    return max(1, round(500 * seconds / min(tries)))


def _plainly(n_processes: int, n_tasks: int, n_products: int) -> float:
    """Seconds the same tasks take in plain processes that know nothing of each other, from a common start."""
    code = (
        "import sys, time, json; from benchmarks.evolve_scale import burn;"
        "burn(10); print(flush=True); sys.stdin.readline();"
        "began = time.perf_counter(); [burn(int(sys.argv[2])) for _ in range(int(sys.argv[1]))];"
        "print(json.dumps(time.perf_counter() - began))"
    )
    words = [sys.executable, "-c", code, str(n_tasks // n_processes), str(n_products)]
    alone = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    children = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=alone)
        for _ in range(n_processes)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return max(float(json.loads(child.communicate()[0].splitlines()[-1])) for child in children)


def _warm(_: int) -> float:
    return burn(10) + len(SearchConfig.__name__)
