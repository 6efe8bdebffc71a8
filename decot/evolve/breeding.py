"""The next generation's genomes from this one's survivors. Knows tournaments and a cache; evaluates nothing."""

from __future__ import annotations

from collections.abc import Sequence

from decot.evolve import pareto
from decot.evolve.config import SearchConfig
from decot.evolve.genome import Genome, crossover, mutate, random_genome, repair
from decot.evolve.state import Individual, State

PATIENCE = 10
"""mutations tried to make a known genome a new one"""


def breed(cfg: SearchConfig, state: State) -> list[Individual]:
    """The individuals of this generation that nobody has tried before, entered into the state; a genome that stays
    known is answered by the cache, as its members compete already."""
    seen = {individual.genome.hash for individual in state.individuals}
    newborn: list[Individual] = []
    for index in range(cfg.population):
        genome, parents = _child(cfg, state, index)
        for _ in range(PATIENCE):
            if genome.hash not in seen:
                break
            genome = mutate(genome, cfg.bounds, state.rng, cfg.mutation_rate)
        if genome.hash in seen:
            continue
        seen.add(genome.hash)
        newborn.append(Individual(genome=genome, generation=state.generation, index=index, parents=parents))
    state.individuals += newborn
    return newborn


def _child(cfg: SearchConfig, state: State, index: int) -> tuple[Genome, tuple[int, ...]]:
    """A genome and the positions of its parents among the members."""
    if not state.population:
        if index < len(cfg.founders):
            return repair(cfg.founders[index], cfg.bounds), ()
        return random_genome(cfg.bounds, state.rng), ()
    ranks = pareto.ranks([state.members[i].point for i in state.population])
    one, two = _tournament(state, ranks), _tournament(state, ranks)
    first, second = state.members[one].genome, state.members[two].genome
    if state.rng.random() < cfg.crossover_rate:
        child, parents = crossover(first, second, cfg.bounds, state.rng), tuple(dict.fromkeys((one, two)))
    else:
        child, parents = first, (one,)
    return mutate(child, cfg.bounds, state.rng, cfg.mutation_rate), parents


def _tournament(state: State, ranks: Sequence[tuple[int, float]]) -> int:
    """The better of two survivors drawn by chance: rank first, then the less crowded."""
    i, j = (int(k) for k in state.rng.integers(len(ranks), size=2))
    return state.population[min(i, j, key=lambda k: ranks[k])]
