"""Bars on disk: whole rows only, one life after another."""

from __future__ import annotations

import numpy as np

from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.live.record import SYSTEM, Recorder, read


def fill(recorder, n, start=0):
    for k in range(start, start + n):
        recorder.add(
            1_000 * (k + 1),
            np.full(len(BAR_INPUTS), k),
            np.full(len(OUT_NAMES), k),
            tuple(range(len(SYSTEM))),
        )


def test_rows_come_back_and_a_torn_one_does_not(tmp_path):
    """A row cut short by a kill is dropped, and the next life goes on behind the last whole one."""
    first = Recorder(tmp_path)
    fill(first, 3)
    first.close()
    with (tmp_path / "bars.f64").open("ab") as file:
        file.write(b"\1" * 11)
    assert len(read(tmp_path)) == 3
    second = Recorder(tmp_path)
    fill(second, 2, 3)
    second.close()
    whole = read(tmp_path)
    assert whole.column("timestamp").tolist() == [1_000, 2_000, 3_000, 4_000, 5_000]
    assert whole.column("life").tolist() == [0, 0, 0, 1, 1]
    assert whole.column("delay_ms")[0] == len(SYSTEM) - 1
    assert whole.bars.height == 5
