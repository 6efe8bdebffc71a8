"""Our own tables in any format, with as little as needed."""

from __future__ import annotations

import polars as pl
import pytest

from decot.data.export import export
from decot.data.tapes import open_tape, write_tape
from decot.data.worlds import WorldConfig, make_world
from decot.errors import TapeRefused


@pytest.fixture(scope="module")
def world():
    return make_world(WorldConfig(days=1, seconds_per_day=300))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_exported_tables_come_back_to_the_bit(tmp_path, world, ending):
    """What `export` writes, `open_tape` reads: equal in every cell."""
    for name in ("book", "trades", "headlines"):
        export(getattr(world, name), tmp_path / f"{name}.{ending}")
    tape = open_tape(tmp_path, symbol="BTC-USD")
    for name in ("book", "trades", "headlines"):
        assert getattr(tape, name).equals(getattr(world, name))


def test_one_small_file_is_enough(tmp_path, world):
    """A single table is known by its columns; what is missing is filled in and said."""
    book = world.book.select("ts_us", "bid", "bid_qty", "ask", "ask_qty")
    tape = open_tape(export(book, tmp_path / "my_quotes.csv"))
    assert tape.symbol == "my_quotes"
    assert tape.book["recv_us"].equals(book["ts_us"], check_names=False)
    assert tape.book["ask_qty_20"].equals(book["ask_qty"], check_names=False)
    trades = open_tape(export(world.trades.select("ts_us", "price", "quantity"), tmp_path / "t.jsonl"))
    assert "made of trades" in trades.meta["book"]
    assert trades.meta["side_known"] is False
    with pytest.raises(TapeRefused, match="none of our columns"):
        open_tape(export(pl.DataFrame({"a": [1]}), tmp_path / "x.csv"))


def test_a_torn_or_foreign_raw_folder_is_refused(tmp_path, world):
    """Another format version, another symbol, a missing table."""
    folder = write_tape(world, tmp_path / "w")
    with pytest.raises(TapeRefused, match="holds BTC-USD, not ETH"):
        open_tape(folder, symbol="ETH")
    (folder / "meta.json").write_text('{"format": "decot-raw-9"}')
    with pytest.raises(TapeRefused, match="this version reads"):
        open_tape(folder)
    (folder / "meta.json").write_text("{")
    with pytest.raises(TapeRefused, match="bad JSON"):
        open_tape(folder)


def test_an_export_never_leaves_half_a_file(tmp_path, world):
    """An unknown ending is refused, and no part file stays behind."""
    with pytest.raises(TapeRefused, match="choose"):
        export(world.book, tmp_path / "x.xlsx")
    export(world.book, tmp_path / "x.csv")
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]
