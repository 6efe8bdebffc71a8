"""Retrained from scratch, luck washes out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from decot.errors import ConfigError
from decot.evolve.finalists import founder_of, lower_bound, retrain
from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate

CFG = SearchConfig(generations=2, population=4, trials=2, subject="finalists")


def test_finalists_are_fresh_counted_and_ranked_by_their_bound(tmp_path):
    """Five new seeds each, no inheritance, all in the ledger; asked again they are read; the median is carried on."""
    ledger = Ledger(tmp_path / "l.jsonl", fsync=False)
    fitness = Surrogate()
    result = search(fitness, CFG, ledger, tmp_path / "w")
    members = result.front[:2]
    finalists = retrain(fitness, members, CFG, ledger, tmp_path / "w")
    lines = [line.payload for line in ledger.lines("trial") if line.payload["role"] == "finalist"]
    assert len(lines) == 5 * len(members)
    assert len({line["seed"] for line in lines}) == len(lines)
    assert [f.profit_lower for f in finalists] == sorted((f.profit_lower for f in finalists), reverse=True)
    first = finalists[0]
    assert first.profit_lower < first.profit
    assert first.chosen.profit == float(np.median([e.profit for e in first.evaluations]))
    assert Path(first.chosen.artefact, "skill.json").exists()
    head = ledger.head
    assert retrain(fitness, members, CFG, ledger, tmp_path / "w") == finalists
    assert ledger.head == head
    with pytest.raises(ConfigError, match="n_seeds 1"):
        retrain(fitness, members, CFG, ledger, tmp_path / "w", n_seeds=1)


def test_the_founder_of_a_line_inherited_from_nobody(tmp_path):
    """Of a grandchild's two lines the more profitable beginning counts; a founder is its own."""
    result = search(Surrogate(), CFG, Ledger(tmp_path / "l.jsonl", fsync=False), tmp_path / "w")
    plain = [one for one in result.members if not one.parents][:3]

    def at(key, profit, parents=()):
        figures = replace(plain[0].evaluation, profit=profit)
        return replace(plain[0], key=key, evaluation=figures, again=(), parents=parents)

    poor, rich, other = at("a", 1.0), at("b", 2.0), at("c", 9.0)
    child, cousin = at("d", 5.0, ("a", "b")), at("e", 4.0, ("a",))
    grandchild = at("f", 6.0, ("d", "e"))
    line = [poor, rich, other, child, cousin, grandchild]
    assert founder_of(grandchild, line).key == "b"
    assert founder_of(cousin, line).key == "a"
    assert founder_of(other, line) is other


def test_the_lower_bound_is_students():
    """By hand: mean 2, deviation 1, n 3, t(0.95, 2) = 2.92."""
    assert lower_bound([1.0, 2.0, 3.0]) == pytest.approx(2 - 2.91999 / 3**0.5, abs=1e-4)


@pytest.mark.parametrize("n_searches", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_pure_noise_leaves_no_finalist_above_zero(tmp_path, n_searches):
    """Where there is nothing to learn, the front's own figures look like profit, and the lower bound (99 %) of its
    retrained knee is above zero in at most one search of twenty."""
    fitness = Surrogate(edge=0.0, noise=0.1)
    above, looked_good = 0, 0
    for seed in range(n_searches):
        cfg = replace(CFG, seed=seed, population=6, trials=2)
        ledger = Ledger(tmp_path / f"{seed}.jsonl", fsync=False)
        result = search(fitness, cfg, ledger, tmp_path / "w")
        looked_good += result.front[0].point[0] > 0
        above += retrain(fitness, [result.best], cfg, ledger, tmp_path / "w", level=0.99)[0].profit_lower > 0
    assert looked_good >= 0.9 * n_searches
    assert above <= max(1, 0.05 * n_searches)
