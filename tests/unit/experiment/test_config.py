"""Profiles: what is not known is named, all of it at once."""

from __future__ import annotations

import pytest

from decot.errors import ConfigError
from decot.evolve.genome import Bounds
from decot.experiment.config import Experiment, load_profile
from decot.experiment.order import Order
from decot.features.kernel import WARMUP


def test_the_packaged_demo_profile_loads():
    """The demo names its venue, a capital below 20 and a stand-in for the text model."""
    demo = load_profile("demo")
    assert demo.name == "demo"
    assert demo.market.capital_usdt < 20
    assert demo.text_stand_in


def test_a_profile_lists_every_fault_it_has(tmp_path):
    """An unknown key, an unknown section and a wrong type come in one message."""
    file = tmp_path / "mine.toml"
    file.write_text(
        'clock = 5\n[market]\ncapital_usdt = "much"\n[world]\nsize = 3\nkind = "moon"\n[weather]\nrain = 1\n'
    )
    with pytest.raises(ConfigError) as refused:
        load_profile(str(file))
    said = str(refused.value)
    for word in ("clock is not a setting", "market.capital_usdt", "world.size", "weather is not a setting"):
        assert word in said


def test_an_unknown_profile_names_the_known_ones():
    """A typo is answered with what there is."""
    with pytest.raises(ConfigError, match="demo"):
        load_profile("dmeo")


def test_a_tape_changes_only_what_the_profile_says_it_changes():
    """The `[tape.market]` section applies when the order brings a tape, and not otherwise."""
    assert Experiment.of(Order(tape="somewhere")).market.venue == "standx-like"
    assert Experiment.of(Order()).market.venue == "demo"


def test_the_order_overrides_world_and_seed():
    """One root seed reaches the world; an unknown world is refused by name."""
    experiment = Experiment.of(Order(world="no-edge", seed=11))
    assert (experiment.world.kind, experiment.world.seed, experiment.seed) == ("no-edge", 11, 11)
    with pytest.raises(ConfigError, match="moon"):
        Experiment.of(Order(world="moon"))


def test_the_research_profile_is_a_real_search():
    """Tens of generations, every algorithm and gene of the house, walk-forward folds, rungs, at least five final seeds,
    and a purge longer than anything looks."""
    research = load_profile("research")
    search = research.search
    assert search.generations >= 20
    assert search.bounds == Bounds(min_questions=5)
    assert search.inherit
    assert search.enqueue
    assert len(search.rungs) == 3
    assert research.split.folds >= 3
    assert research.finals.seeds >= 5
    assert research.split.purge_s * 1_000 / research.clock_ms >= WARMUP + 10
    assert not research.text_stand_in
