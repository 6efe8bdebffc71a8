"""Searches where there is nothing to learn; `python -m benchmarks.evolve --noise 40` calls this."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from decot.evolve.finalists import retrain
from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate


def noise(n_searches: int, first_seed: int) -> dict[str, Any]:
    """Searches where there is nothing to learn: how often the front looks like profit, and how often the lower bound
    (99 %, five fresh seeds) of what would be carried on with is above zero."""
    world = Surrogate(edge=0.0, noise=0.1)
    looked_good = above = members = members_above = 0
    for seed in range(first_seed, first_seed + n_searches):
        print(f"noise: seed {seed}", file=sys.stderr, flush=True)
        cfg = SearchConfig(generations=3, population=8, trials=3, seed=seed, subject="noise")
        with tempfile.TemporaryDirectory() as folder:
            ledger = Ledger(Path(folder) / "l.jsonl", fsync=False)
            result = search(world, cfg, ledger, folder)
            front = retrain(world, result.front, cfg, ledger, folder, level=0.99)
        looked_good += result.front[0].point[0] > 0
        knee = next(one for one in front if one.member.key == result.best.key)
        above += knee.profit_lower > 0
        members += len(front)
        members_above += sum(one.profit_lower > 0 for one in front)
    return {
        "searches": n_searches,
        "front_looked_profitable": looked_good,
        "lower_bound_above_zero": above,
        "share_not_above": round(1 - above / n_searches, 4),
        "front_members": members,
        "front_members_above": members_above,
        "target": 0.95,
        "met": above <= 0.05 * n_searches,
    }
