"""Opening tapes: what is recorded comes in, what is wrong is refused by file, column and row."""

from __future__ import annotations

import polars as pl
import pytest

from decot.data.tapes import open_tape, write_tape
from decot.data.worlds import WorldConfig, make_world
from decot.errors import TapeRefused
from schemas.tables import RawBook, RawTrades, faults


@pytest.fixture(scope="module")
def world():
    return make_world(WorldConfig(days=2, seconds_per_day=300))


@pytest.fixture
def standx(tmp_path, world):
    """A small folder in the StandX layout, two days."""
    for day in world.days():
        part = world.day(day)
        part.book.write_parquet(tmp_path / f"bbo_{day}.parquet")
        part.trades.rename({"side": "side_inferred"}).drop("trade_id").write_parquet(
            tmp_path / f"trades_{day}.parquet"
        )
    return tmp_path


def spoil(file, column, row, value):
    frame = pl.read_parquet(file)
    frame = frame.with_columns(
        pl.when(pl.int_range(pl.len()) == row).then(value).otherwise(pl.col(column)).alias(column)
    )
    frame.write_parquet(file)


def test_a_world_survives_the_disk(tmp_path, world):
    """Written in our raw layout and opened again, a tape is the same tape."""
    again = open_tape(write_tape(world, tmp_path / "world"))
    assert again.book.equals(world.book)
    assert again.trades.equals(world.trades)
    assert again.headlines.equals(world.headlines)
    assert (again.symbol, again.venue, again.meta) == (world.symbol, world.venue, world.meta)


def test_several_days_join_and_one_file_is_one_day(standx, world):
    """The folder is both days; one day's file brings its trades along."""
    whole = open_tape(standx)
    assert whole.book.equals(world.book)
    assert whole.trades.drop("trade_id").equals(world.trades.drop("trade_id"))
    day = open_tape(standx / "bbo_2026-01-06.parquet")
    assert day.days() == ["2026-01-06"]
    assert day.trades.equals(whole.day("2026-01-06").trades)
    assert day.trades["trade_id"][0] == 202601060000001


@pytest.mark.parametrize(
    ("file", "column", "value", "said"),
    [
        ("bbo_2026-01-06.parquet", "bid", -5.0, "not a positive finite number: -5.0"),
        ("trades_2026-01-05.parquet", "price", 0.0, "not a positive finite number"),
        ("bbo_2026-01-05.parquet", "ts_us", 1_767_571_200_000_000, "goes back"),
        ("bbo_2026-01-05.parquet", "recv_us", 1_767_571_200_000_000, "goes back"),
        ("trades_2026-01-05.parquet", "ts_us", 1_767_571_200_000_000, "goes back"),
        ("bbo_2026-01-05.parquet", "bid", 1e9, "crossed"),
        ("bbo_2026-01-05.parquet", "ask_qty_20", -1.0, "negative"),
        ("trades_2026-01-06.parquet", "side_inferred", 3, "not a side"),
    ],
)
def test_a_bad_value_is_named(standx, file, column, value, said):
    """File, column, row, value and the way out are in the message."""
    spoil(standx / file, column, 17, value)
    with pytest.raises(TapeRefused) as refused:
        open_tape(standx)
    assert (refused.value.file, refused.value.column, refused.value.row) == (file, column, 17)
    assert said in str(refused.value)
    assert refused.value.way_out


def test_a_missing_column_is_named(standx):
    """The column that is not there, and those that are."""
    file = standx / "bbo_2026-01-05.parquet"
    pl.read_parquet(file).drop("ask_qty").write_parquet(file)
    with pytest.raises(TapeRefused, match=r"bbo_2026-01-05.parquet, column ask_qty: column missing"):
        open_tape(standx)


def test_torn_and_unreadable_files_are_named(standx):
    """Truncated Parquet, bad CSV, bad JSON, empty files: each is refused by name, text files with the row."""
    file = standx / "bbo_2026-01-05.parquet"
    frame = pl.read_parquet(file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(TapeRefused, match=r"bbo_2026-01-05.parquet: cannot be read as PARQUET"):
        open_tape(standx)
    file.unlink()
    text = frame.write_csv().splitlines()
    text[9] = text[9].replace(",", ",oops", 1)
    (standx / "bbo_2026-01-05.csv").write_text("\n".join(text))
    with pytest.raises(TapeRefused, match=r"bbo_2026-01-05.csv, column recv_us, row 8: not a number: 'oops"):
        open_tape(standx)
    text[9] += ",one,too,many"
    (standx / "bbo_2026-01-05.csv").write_text("\n".join(text))
    with pytest.raises(TapeRefused, match=r"bbo_2026-01-05.csv, row 8: cannot be read as CSV"):
        open_tape(standx)
    (standx / "bbo_2026-01-05.csv").write_text("")
    with pytest.raises(TapeRefused, match="empty"):
        open_tape(standx)
    (standx / "bbo_2026-01-05.csv").unlink()
    lines = frame.write_ndjson().splitlines()
    lines[4] = lines[4][:-5]
    (standx / "bbo_2026-01-05.jsonl").write_text("\n".join(lines))
    with pytest.raises(TapeRefused, match=r"bbo_2026-01-05.jsonl, row 4: bad JSON"):
        open_tape(standx)


def test_csv_and_json_lines_are_the_same_tape(standx, world):
    """The same rows as text come in the same."""
    for file in sorted(standx.glob("bbo_*.parquet")):
        pl.read_parquet(file).write_csv(file.with_suffix(".csv"))
        file.unlink()
    for file in sorted(standx.glob("trades_*.parquet")):
        pl.read_parquet(file).write_ndjson(file.with_suffix(".jsonl"))
        file.unlink()
    assert open_tape(standx).book.equals(world.book)


def test_an_unknown_folder_lists_what_is_known(tmp_path):
    """Nothing there, nothing known: both say what to do."""
    with pytest.raises(TapeRefused, match="check the path"):
        open_tape(tmp_path / "nowhere")
    (tmp_path / "photo.png").write_bytes(b"x")
    with pytest.raises(TapeRefused, match="known are"):
        open_tape(tmp_path)


@pytest.mark.tapes
def test_recorded_tapes_are_lawful(tapes):
    """The recorded StandX and Binance tapes open and pass their schemas."""
    for path, symbol in (
        (tapes / "standx-btcusd", None),
        (tapes / "binance-ws", None),
        (tapes / "binance-ws", "spot_btcusdt"),
    ):
        tape = open_tape(path, symbol=symbol)
        assert faults(tape.book, RawBook) == []
        assert faults(tape.trades, RawTrades) == []
    with pytest.raises(TapeRefused, match="choose one of"):
        open_tape(tapes / "binance-ws", symbol="DOGEUSDT")
