"""Bars on disk: whole rows only, one life after another."""

from __future__ import annotations

import numpy as np

from decot.features.kernel import BAR_INPUTS, OUT_NAMES
from decot.live.record import AROUND, SYSTEM, Recorder, around_of, read, warm_of


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


def test_a_life_is_found_again_with_what_it_was_warmed_up_on(tmp_path):
    """Bars by life, what was around each of them, and the past of each life; a life that kept none says so."""
    first = Recorder(tmp_path)
    first.warmed([(500, np.full(len(BAR_INPUTS), 7.0), np.full(len(AROUND), 0.5))])
    first.add(
        1_000,
        np.zeros(len(BAR_INPUTS)),
        np.zeros(len(OUT_NAMES)),
        (0.0,) * len(SYSTEM),
        np.arange(len(AROUND)),
    )
    first.close()
    second = Recorder(tmp_path)
    fill(second, 2, 1)
    second.close()
    whole = read(tmp_path)
    assert whole.lives() == [0, 1]
    assert [len(whole.life(number)) for number in (0, 1)] == [1, 2]
    np.testing.assert_array_equal(whole.life(0).around[0], np.arange(len(AROUND)))
    ((t_ms, values, around),) = warm_of(tmp_path, 0)
    assert (t_ms, values[3], around[0], len(around)) == (500, 7.0, 0.5, len(AROUND))
    assert warm_of(tmp_path, 1) is None


def test_what_is_around_is_the_tail_of_a_row(tmp_path):
    """Text and context columns come after the kernel's and the regimes'; a stand-in without them has none."""
    row = np.arange(len(OUT_NAMES) + 6 + len(AROUND), dtype=float)
    np.testing.assert_array_equal(around_of(row), row[-len(AROUND) :])
    assert not around_of(row[: len(OUT_NAMES)]).any()


def test_a_session_begun_before_the_surroundings_were_kept_goes_on(tmp_path):
    """Its rows are not lost to a file that is shorter than the others."""
    first = Recorder(tmp_path)
    fill(first, 3)
    first.close()
    (tmp_path / "around.f64").unlink()
    assert len(read(tmp_path)) == 3
    second = Recorder(tmp_path)
    fill(second, 1, 3)
    second.close()
    assert read(tmp_path).column("timestamp").tolist() == [1_000, 2_000, 3_000, 4_000]


def test_a_full_disk_ends_the_record_at_a_whole_row(tmp_path, monkeypatch):
    """Half a row is written: nothing behind it, the trouble is said, and what was whole is read back."""
    import os

    recorder = Recorder(tmp_path)
    fill(recorder, 2)
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, whole: real(handle, whole[:24]))
    fill(recorder, 1, 2)
    monkeypatch.undo()
    assert "the disk is full" in recorder.trouble
    fill(recorder, 1, 3)
    recorder.close()
    assert read(tmp_path).column("timestamp").tolist() == [1_000, 2_000]
