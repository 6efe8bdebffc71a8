"""Genes stay legal whatever happens to them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decot.errors import ConfigError
from decot.evolve.genome import NUMBERS, Bounds, Genome, crossover, mutate, random_genome, repair

BOUNDS = Bounds()


def legal(genome: Genome) -> bool:
    numbers = all(getattr(genome, name) in getattr(BOUNDS, name) for name in NUMBERS)
    asked = genome.questions
    questions = set(BOUNDS.required) <= set(asked) <= set(BOUNDS.questions) and len(set(asked)) == len(asked)
    return (
        numbers and questions and len(asked) >= BOUNDS.min_questions and genome.algorithm in BOUNDS.algorithms
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_variation_stays_inside_the_bounds(seed):
    """Random, crossed and mutated genomes are legal, and a mutation changes something."""
    rng = np.random.default_rng(seed)
    one, two = random_genome(BOUNDS, rng), random_genome(BOUNDS, rng)
    child = crossover(one, two, BOUNDS, rng)
    other = mutate(child, BOUNDS, rng)
    assert all(legal(g) for g in (one, two, child, other))
    assert other != child


def test_repair_brings_a_stray_genome_home_and_leaves_a_legal_one():
    """Numbers go to their nearest value, unknown and doubled questions leave, required ones come back."""
    stray = Genome(conv_filters=1000, kernel=4, questions=("moon", "flow", "flow"), algorithm="magic")
    home = repair(stray, BOUNDS)
    assert (home.conv_filters, home.kernel, home.algorithm) == (64, 3, "ppo-exact")
    assert home.questions == ("flow", "outlook", "risk")
    assert repair(home, BOUNDS) is not stray
    assert repair(home, BOUNDS) == home


def test_a_genome_survives_json_and_its_hash_is_its_genes():
    """JSON gives the genome back; equal genes share a hash, the order of the questions counts."""
    genome = random_genome(BOUNDS, np.random.default_rng(3))
    back = Genome.from_json(json.loads(json.dumps(genome.to_json())))
    assert back == genome
    assert back.hash == genome.hash
    turned = Genome(questions=("risk", "outlook", "trend", "flow"))
    assert turned.hash != Genome().hash


def test_unknown_and_missing_genes_are_named_together():
    """A genome from a stranger is refused with all its faults."""
    genes = Genome().to_json()
    del genes["kernel"]
    with pytest.raises(ConfigError, match="(?s)wings: no such gene.*kernel: gene missing"):
        Genome.from_json({**genes, "wings": 2})
    with pytest.raises(ConfigError, match="not ascending"):
        Bounds(kernel=(5, 3))
