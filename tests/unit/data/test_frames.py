"""Recorded WebSocket lines: the stream makes the bars the tables make."""

from __future__ import annotations

import gzip
import json
import random

import pytest

from decot.data.bars import BarStream, bars_frame, build_bars
from decot.data.frames import FrameReader, follow, read_lines
from decot.data.tapes import open_tape
from decot.errors import TapeRefused

QUOTE = {"u": 1, "s": "BTCUSDT", "b": "100.5", "B": "1", "a": "100.6", "A": "2"}
DEAL = {
    "e": "trade",
    "E": 1_700_000_000_100,
    "T": 1_700_000_000_100,
    "s": "BTCUSDT",
    "t": 5,
    "p": "100.6",
    "q": "0.5",
    "m": False,
}


def lines(*messages):
    return [
        f"{1_700_000_000_300_000_000 + k * 1_000_000} {json.dumps(m)}".encode()
        for k, m in enumerate(messages)
    ]


def test_messages_are_read_bare_or_combined():
    """A quote without exchange time is as late as the trade before it; other messages are counted only."""
    reader = FrameReader("x")
    taken = [
        reader.take(line, 0)
        for line in lines(QUOTE, {"stream": "s", "data": DEAL}, QUOTE, {"e": "depthUpdate"})
    ]
    assert taken[0] == ("book", (1_700_000_000_300_000, 1_700_000_000_300_000, 100.5, 1.0, 100.6, 2.0))
    assert taken[1] == ("trade", (1_700_000_000_100_000, 1_700_000_000_301_000, 5, 100.6, 0.5, 1))
    assert taken[2][1][0] == 1_700_000_000_300_000  # 201 ms late, but time never goes back
    assert taken[3] is None
    assert reader.is_estimated
    assert reader.kinds == {"bookTicker": 2, "trade": 1, "depthUpdate": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"oops {}", "local time in ns"),
        (b"17 {", "bad JSON"),
        (b"17 [1]", "an object is due"),
        (b'17 {"data": 3}', "not an object"),
        (b'17 {"e": "trade", "T": 5, "t": 1, "p": "1", "m": true}', "column 'q'"),
        (b'17 {"e": "bookTicker", "E": 5, "b": "x", "B": "1", "a": "1", "A": "1"}', "does not parse"),
    ],
)
def test_a_bad_line_is_refused_with_its_row(line, said):
    """What a line lacks, and which line it is."""
    with pytest.raises(TapeRefused, match="row 41") as refused:
        FrameReader("spot_x_20240101.jsonl").take(line, 41)
    assert said in str(refused.value)


def test_a_thousand_broken_lines_never_crash_the_reader():
    """Noise in lines: read, left alone, or refused with the row; no other exception."""
    rng, refused = random.Random(5), 0
    for row in range(1_000):
        line = bytearray(rng.choice(lines(QUOTE, DEAL, {"stream": "s", "data": DEAL})))
        for _ in range(rng.randrange(1, 6)):
            line[rng.randrange(len(line))] = rng.randrange(256)
        try:
            FrameReader("x").take(bytes(line[: rng.randrange(1, len(line))]), row)
        except TapeRefused as refusal:
            refused += refusal.row == row
    assert refused > 500


def test_packed_files_are_read_and_torn_ones_refused(tmp_path):
    """gzip is opened like plain text; a file cut short says so."""
    text = b"\n".join(lines(*[DEAL, {**QUOTE, "E": 1_700_000_000_000}] * 500))
    file = tmp_path / "spot_btcusdt_20231114.jsonl.gz"
    file.write_bytes(gzip.compress(text))
    assert b"\n".join(read_lines(file)) == text
    tape = open_tape(tmp_path)
    assert (tape.book.height, tape.trades.height, tape.venue) == (500, 500, "binance-spot")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(TapeRefused, match="cannot be unpacked"):
        open_tape(file)


@pytest.mark.tapes
@pytest.mark.parametrize("clock_ms", [100, 1_000])
@pytest.mark.parametrize(
    ("symbol", "days"), [("usdm_btcusdt", ["20240808"]), ("spot_btcusdt", ["20240808", "20240809"])]
)
def test_raw_frames_through_the_stream_make_the_bars_of_the_tidy_tables(tapes, symbol, days, clock_ms):
    """Each recorded line through BarStream: 100 % of the cells equal the batch over the tidy Parquet."""
    folder = tapes / "binance-ws"
    batch = build_bars(open_tape(folder, symbol=symbol), clock_ms)
    stream, reader, bars = BarStream(clock_ms), FrameReader(symbol), []
    for day in days:
        bars += follow(read_lines(folder / "raw" / f"{symbol}_{day}.jsonl.zst"), stream, reader)
    bars += stream.advance(int(batch["timestamp"][-1]) * 1_000)
    assert bars_frame(bars).equals(batch)


@pytest.mark.tapes
def test_raw_frames_open_as_the_tidy_tables(tapes):
    """The folder of raw lines is the same tape as the tables made of it: both days, every row."""
    raw = open_tape(tapes / "binance-ws" / "raw", symbol="spot_btcusdt")
    tidy = open_tape(tapes / "binance-ws", symbol="spot_btcusdt")
    assert raw.book.equals(tidy.book)
    assert raw.trades.equals(tidy.trades)
