"""What a session shows: whole files, whole lines, numbers or null."""

from __future__ import annotations

import math

from decot.live.snapshot import Publisher, Snapshot, read_lines, read_snapshot, sessions


def shot(**change):
    plain = {
        "time_ms": 1, "session": "s", "symbol": "B", "mode": "paper", "bid": 1.0, "ask": 2.0, "position": 0,
        "quantity": 0.0, "equity_usdt": 19.0, "day_pnl_usdt": 0.0, "drawdown_bps": 0.0,
    }  # fmt: skip
    return Snapshot(**(plain | change))


def test_a_snapshot_comes_back_as_it_was(tmp_path):
    """JSON there and back, numbers that are none included."""
    Publisher(tmp_path, "s").show(shot(bid=math.nan, risk={"x": (1.0, 2.0, True)}, fills=({"side": 1},)))
    back = read_snapshot(tmp_path)
    assert math.isnan(back.bid)
    assert back.risk == {"x": (1.0, 2.0, True)}
    assert back.fills == ({"side": 1},)
    assert sessions(tmp_path) == ["s"]


def test_a_torn_line_is_left_out(tmp_path):
    """Readers see whole lines only."""
    publisher = Publisher(tmp_path, "s")
    publisher.note("fills", {"price": 1.0})
    with (publisher.folder / "fills.jsonl").open("a") as file:
        file.write('{"price": 2')
    assert read_lines(tmp_path, "s", "fills") == [{"price": 1.0}]
    assert read_lines(tmp_path, "s", "decisions") == []


def test_a_disk_that_takes_no_more_is_said_and_stops_nobody(tmp_path):
    """Neither a line nor a snapshot that cannot be written raises; the trouble has a name."""
    publisher = Publisher(tmp_path, "s")
    assert publisher.trouble == ""
    publisher.folder.rmdir()
    publisher.note("events", {"t_ms": 1, "state": "running", "why": ""})
    assert "events can no longer be written down" in publisher.trouble
