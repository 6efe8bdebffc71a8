"""Which rows teach, choose and judge."""

from __future__ import annotations

import numpy as np
import pytest

from decot.errors import GapInData
from decot.experiment.config import SplitConfig
from decot.experiment.parts import split, walk_forward

DAY = 86_400_000


def two_days(seconds: int) -> np.ndarray:
    """Ends of one-second bars on two days."""
    one = np.arange(1, seconds + 1) * 1_000
    return np.concatenate([one, DAY + one])


def test_the_last_day_is_for_the_gate_alone():
    """Parts are in the order of time, do not touch, and the purge is as long as configured."""
    cfg = SplitConfig(purge_s=330)
    parts = split(two_days(10_000), cfg, 1_000)
    assert parts.other == slice(10_000, 20_000)
    assert parts.validation.start - parts.train.stop == 330
    assert parts.other.start - parts.validation.stop == 330
    assert parts.train.start == 0


def test_a_bar_that_ends_at_midnight_belongs_to_the_day_it_covers():
    """The row stamped 00:00:00 is the last of its day, not the first of the next."""
    whole = np.arange(DAY - 20_000_000, DAY + 20_000_000, 1_000) + 1_000
    parts = split(whole, SplitConfig(), 1_000)
    assert whole[parts.other.start] == DAY + 1_000


def test_data_too_short_to_split_says_which_part():
    """Each short part is named with its length and the bars it needs."""
    with pytest.raises(GapInData, match="validation"):
        split(two_days(2_000), SplitConfig(), 1_000)


def test_a_walk_forward_teaches_only_what_came_before():
    """Blocks follow each other over the validation rows, each purged from its teaching rows; one fold is the plain split."""
    stamps = two_days(20_000)
    cfg = SplitConfig(purge_s=330, validation_share=0.4, folds=3)
    parts, folds = split(stamps, cfg, 1_000), walk_forward(stamps, cfg, 1_000)
    assert folds[0][0] == parts.train
    assert folds[-1][1].stop == parts.validation.stop
    for (taught, tested), after in zip(folds, [*folds[1:], None]):
        assert taught.start == 0
        assert tested.start - taught.stop == 330
        if after is not None:
            assert after[1].start - tested.stop == 330
            assert after[0].stop > taught.stop
    assert walk_forward(stamps, SplitConfig(purge_s=330), 1_000) == [
        (
            split(stamps, SplitConfig(purge_s=330), 1_000).train,
            split(stamps, SplitConfig(purge_s=330), 1_000).validation,
        )
    ]


def test_too_many_folds_are_named():
    """A block too short to say anything is refused with its length."""
    with pytest.raises(GapInData, match=r"fold 0: .*fewer folds"):
        walk_forward(two_days(10_000), SplitConfig(folds=4), 1_000)
