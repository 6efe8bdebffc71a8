"""Files that are wrong: hundreds of them, each refused with a message, none let in and none a crash."""

from __future__ import annotations

import contextlib
import random

import polars as pl
import pytest

from decot.data.export import export
from decot.data.reading import typed
from decot.data.tapes import open_tape
from decot.data.worlds import WorldConfig, make_world
from decot.errors import TapeRefused
from schemas.tables import RawBook, RawTrades, faults

ROWS = 40


@pytest.fixture(scope="module")
def world():
    return make_world(WorldConfig(days=1, seconds_per_day=60))


def standx(world):
    book = world.book.head(ROWS)
    trades = world.trades.head(ROWS).rename({"side": "side_inferred"}).drop("trade_id")
    return {"bbo_2026-01-05": book, "trades_2026-01-05": trades}


def binance(world):
    ms = pl.col("ts_us") // 1_000
    book = world.book.head(ROWS).select("recv_us", "bid", "bid_qty", "ask", "ask_qty", event_ms=ms)
    trades = world.trades.head(ROWS).select(
        "recv_us", "trade_id", "price", qty="quantity", trade_ms=ms, taker_side=pl.col("side").cast(pl.Int64)
    )
    return {"bbo_usdm_btcusdt_20260105-05": book, "trades_usdm_btcusdt_20260105-05": trades}


def plain(world):
    return {"book": world.book.head(ROWS), "trades": world.trades.head(ROWS)}


LAYOUTS = {"standx": standx, "binance": binance, "plain": plain}
POSITIVE = ("bid", "ask", "price", "quantity", "qty")
SIZES = ("bid_qty", "ask_qty")
CLOCKS = ("recv_us", "ts_us", "trade_ms", "event_ms")
OPTIONAL = {"standx": (), "binance": ("event_ms",), "plain": ("recv_us", "trade_id", "side")}


def set_cell(frame, column, row, value):
    at = pl.int_range(pl.len()) == row
    return frame.with_columns(pl.when(at).then(pl.lit(value)).otherwise(pl.col(column)).alias(column))


def spoil_value(frame, rng, layout):
    """One value that cannot be: a price, a size, a time, an empty cell."""
    column = rng.choice([c for c in frame.columns if c in (*POSITIVE, *SIZES, *CLOCKS)])
    row = rng.randrange(1, frame.height)
    if column in POSITIVE:
        value = rng.choice([-1.0, 0.0, float("nan"), float("inf"), float("-inf"), None])
    elif column in SIZES:
        value = rng.choice([-1.0, float("nan"), float("inf"), None])
    elif column == "event_ms":
        value = rng.choice([0, -1, 5, 10**18])
    else:
        value = rng.choice([0, -1, 5, 10**18, None])
    return set_cell(frame, column, row, value)


def spoil_order(frame, rng, layout):
    """Rows swapped, reversed, or one moved to the front."""
    row = rng.randrange(frame.height // 2, frame.height)
    return rng.choice([frame.reverse(), pl.concat([frame[row:], frame[:row]])])


def spoil_columns(frame, rng, layout):
    """A column gone or renamed."""
    needed = [c for c in frame.columns if c not in OPTIONAL[layout] and not c.endswith(("_5", "_20"))]
    column = rng.choice(needed)
    return rng.choice([frame.drop(column), frame.rename({column: f"{column}_"})])


def spoil_rows(frame, rng, layout):
    """No rows at all, or a crossed book."""
    if "bid" in frame.columns and rng.random() < 0.5:
        row = rng.randrange(frame.height)
        return set_cell(frame, "bid", row, float(frame["ask"][row]) + 1.0)
    return frame.head(0)


def spoil_text(text, rng):
    """Bytes no CSV or JSON reader can mean well: torn rows, extra fields, words for numbers, broken braces."""
    lines = text.splitlines()
    row = rng.randrange(1, len(lines))
    kind = rng.randrange(5)
    if kind == 0:
        lines[row] = lines[row][: len(lines[row]) // 3]
    elif kind == 1:
        lines[row] = lines[row] + (",7" if "{" not in lines[row] else "}")
    elif kind == 2:
        lines[row] = "not a row at all"
    elif kind == 3:
        lines[row] = lines[row].replace("1", "l").replace("7", "?")
    else:
        return ""
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(240))
def test_a_spoiled_file_is_refused_with_a_message(tmp_path, world, seed):
    """240 files, each spoiled in one way: TapeRefused names the file and the way out."""
    rng = random.Random(seed)
    layout = rng.choice(list(LAYOUTS))
    tables = LAYOUTS[layout](world)
    name = rng.choice(list(tables))
    ending = rng.choice(["csv", "jsonl", "parquet"])
    spoil = rng.choice([spoil_value, spoil_value, spoil_order, spoil_columns, spoil_rows, spoil_text])
    if spoil is spoil_text:
        ending = rng.choice(["csv", "jsonl"])
    else:
        tables[name] = spoil(tables[name], rng, layout)
    for table, frame in tables.items():
        export(frame, tmp_path / f"{table}.{ending}")
    if spoil is spoil_text:
        file = tmp_path / f"{name}.{ending}"
        file.write_text(spoil_text(file.read_text(), rng))
    with pytest.raises(TapeRefused) as refused:
        open_tape(tmp_path)
    assert refused.value.file.startswith(name)
    assert refused.value.why
    assert refused.value.way_out


@pytest.mark.parametrize("seed", range(60))
def test_noise_in_the_bytes_is_refused_or_harmless(tmp_path, world, seed):
    """Flipped or cut bytes: refused, or a tape that still obeys every law; never another exception."""
    rng = random.Random(1_000 + seed)
    ending = rng.choice(["csv", "jsonl", "parquet"])
    for table, frame in standx(world).items():
        file = export(frame, tmp_path / f"{table}.{ending}")
        data = bytearray(file.read_bytes())
        for _ in range(rng.choice([1, 3, 20])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        file.write_bytes(bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))
    with contextlib.suppress(TapeRefused):
        tape = open_tape(tmp_path)
        assert faults(tape.book, RawBook) == []
        assert faults(tape.trades, RawTrades) == []


def test_a_fraction_is_no_count():
    """A number with a fraction is not quietly cut to an integer."""
    with pytest.raises(TapeRefused, match=r"column n, row 1: not a whole number: 2.5"):
        typed(pl.Series("n", [1.0, 2.5]), pl.Int64(), "x.csv")


def test_milliseconds_are_not_taken_for_microseconds(tmp_path, world):
    """A clock in the wrong unit is named as such."""
    book = world.book.with_columns(pl.col("ts_us", "recv_us") // 1_000)
    export(book, tmp_path / "book.csv")
    with pytest.raises(TapeRefused, match="not a time in microseconds"):
        open_tape(tmp_path)
