"""How much a second Dask worker is worth: the same search on one and on two, and whether all agree with this process."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decot.evolve.genome import Genome
from decot.evolve.ledger import Ledger
from decot.evolve.runner import DaskRunner
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate
from decot.evolve.trial import Evaluation, Params

WORLD = Surrogate()


def scale_out(seconds: float = 0.5) -> dict[str, Any]:
    """The same search on a real Dask cluster of one single-threaded worker and of two, and whether all agree with this
    process: once with trainings that burn a core, once with trainings that wait (for another device, say). The first is a
    lower bound on a machine that has other work to do; the second shows what the search's own order allows."""
    import distributed

    cfg = SearchConfig(generations=2, population=8, trials=1, elites=0, subject="scale")
    found: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        heads = {search(WORLD, cfg, Ledger(plain / "l.jsonl", fsync=False), plain).ledger_head}
        for workers in (1, 2):
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                local_directory=folder,
            )
            with cluster, distributed.Client(cluster) as client:
                for kind, training in (("burning", Burning(seconds)), ("waiting", Waiting(seconds))):
                    client.gather(client.map(_warm, range(4 * workers), pure=False))
                    place = Path(folder) / f"{kind}-{workers}"
                    ledger, began = Ledger(place / "l.jsonl", fsync=False), time.perf_counter()
                    result = search(training, cfg, ledger, place, runner=DaskRunner(client))
                    found[f"{kind}_{workers}_s"] = round(time.perf_counter() - began, 2)
                    heads.add(result.ledger_head)
    for kind in ("burning", "waiting"):
        found[f"{kind}_speedup"] = round(found[f"{kind}_1_s"] / found[f"{kind}_2_s"], 3)
    found["agree"] = len(heads) == 1
    return found


@dataclass(frozen=True)
class Waiting:
    """A surrogate training that takes time and no core."""

    seconds: float

    def __call__(self, genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        time.sleep(self.seconds)
        return WORLD(genome, params, seed, trial_dir)


@dataclass(frozen=True)
class Burning:
    """A surrogate training that really uses a core."""

    seconds: float

    def __call__(self, genome: Genome, params: Params, seed: int, trial_dir: str) -> Evaluation:
        until = time.thread_time() + self.seconds
        while time.thread_time() < until:
            pass
        return WORLD(genome, params, seed, trial_dir)


def _warm(_: int) -> str:
    return SearchConfig.__name__
