"""The list of attempts: every call is a line, different questions spend alpha, the same rows are known again."""

from __future__ import annotations

import numpy as np
import pytest

from decot.errors import LedgerBroken
from decot.experiment.attempts import knock, quarters
from decot.market.tape import Tape

START = 1_767_571_200_000


def tape(first: int = 0, n: int = 7_200, step_ms: int = 1_000, seed: int = 0) -> Tape:
    """A stretch of one walk that is known at every second, cut and thinned as asked."""
    walk = 60_000 + np.cumsum(np.random.default_rng(seed).normal(size=20_000))
    rows = np.arange(first, first + n, step_ms // 1_000)
    mid = walk[rows]
    return Tape.of(START + rows * 1_000, mid - 1, mid + 1, latency_ms=100)


def test_every_call_is_a_look_and_every_new_question_an_attempt(tmp_path):
    """The same question twice is one attempt and two looks; other fees or another artefact are the next attempt."""
    ask = [knock(tmp_path, tape(), question, {"artefact": "a"}) for question in ("q", "q", "r", "q", "s")]
    assert [attempt.number for attempt in ask] == [1, 1, 2, 1, 3]
    assert [attempt.looks for attempt in ask] == [1, 2, 3, 4, 5]
    assert len((tmp_path / "attempts.jsonl").read_text().splitlines()) == 5


def test_a_day_cut_elsewhere_is_the_same_day(tmp_path):
    """Shifted by a row, shortened, or in coarser bars: the rows have been looked at before."""
    knock(tmp_path, tape(), "q", {"artefact": "a"})
    for i, cut in enumerate((tape(1), tape(3_000, 4_000), tape(0, 7_200, 5_000)), start=2):
        assert knock(tmp_path, cut, f"q{i}", {"artefact": "b"}).number == i
    assert knock(tmp_path, tape(seed=1), "q", {"artefact": "b"}).number == 1
    assert len(quarters(tape())) == 7


def test_a_trimmed_list_is_refused(tmp_path):
    """Taking a line away does not give its alpha back."""
    for question in "abc":
        knock(tmp_path, tape(), question, {"artefact": "a"})
    file = tmp_path / "attempts.jsonl"
    file.write_text("".join(line + "\n" for line in file.read_text().splitlines()[:-1]))
    with pytest.raises(LedgerBroken, match="trimmed"):
        knock(tmp_path, tape(), "d", {"artefact": "a"})
