"""The lake: what is put comes back, in versions that can be named."""

from __future__ import annotations

import polars as pl
import pytest

from decot.data.lake import Lake
from decot.errors import LakeBroken


def frame(days=(5, 6), times=1.0):
    stamps = [day * 86_400_000 + k * 1_000 for day in days for k in range(3)]
    return pl.DataFrame(
        {
            "b_second": [times * k for k in range(len(stamps))],
            "timestamp": stamps,
            "flag": pl.Series([1] * len(stamps), dtype=pl.Int8),
        }
    )


def test_what_is_put_comes_back(tmp_path):
    """Same rows, same column order, same types; the Ref counts them."""
    lake = Lake(tmp_path)
    ref = lake.put("base", frame(), symbol="BTC-USD")
    assert lake.get("base", symbol="BTC-USD").equals(frame())
    assert (ref.version, ref.rows, ref.columns, ref.symbol) == (0, 6, 3, "BTC-USD")
    assert lake.ref("base") == ref
    assert lake.check(ref).equals(frame())
    assert lake.days("base", "BTC-USD") == ["1970-01-06", "1970-01-07"]
    assert lake.get("base", days=["1970-01-07"]).equals(frame().tail(3))


def test_the_same_content_twice_is_the_same_version(tmp_path):
    """Nothing is written the second time, and the digest depends on content alone."""
    lake = Lake(tmp_path / "one")
    ref = lake.put("base", frame(), symbol="A")
    assert lake.put("base", frame().sample(fraction=1, shuffle=True, seed=1), symbol="A") == ref
    assert len(lake.history("base")) == 1
    assert Lake(tmp_path / "two").put("base", frame(), symbol="B").digest == ref.digest


def test_old_versions_stay_readable(tmp_path):
    """A new content is a new version; the old one can still be read and checked; other symbols are untouched."""
    lake = Lake(tmp_path)
    other = lake.put("base", frame(times=9.0), symbol="it's other")
    old = lake.put("base", frame(), symbol="A")
    new = lake.put("base", frame(days=(6,), times=2.0), symbol="A", sources=[old], note="shorter")
    assert (old.version, new.version) == (1, 2)
    assert lake.check(old).equals(frame())
    assert lake.get("base", symbol="A").equals(frame(days=(6,), times=2.0))
    assert lake.check(other).equals(frame(times=9.0))
    last = lake.history("base")[-1]
    assert (last["note"], last["sources"][0]["digest"]) == ("shorter", old.digest)


def test_days_can_be_added_one_by_one(tmp_path):
    """Days put one after another make the same digest as all at once."""
    lake = Lake(tmp_path)
    whole = lake.put("base", frame(), symbol="whole")
    lake.put("base", frame(days=(5,)), symbol="parts")
    second = frame().tail(3)
    assert lake.put("base", second, symbol="parts", keep_other_days=True).digest == whole.digest
    assert lake.symbols("base") == ["parts", "whole"]


def test_trades_with_equal_times_keep_their_order(tmp_path):
    """Rows of one microsecond come back as they were, µs decide the day, tables without days work too."""
    lake = Lake(tmp_path)
    trades = pl.DataFrame({"recv_us": [86_400_000_000] * 50, "trade_id": list(range(50, 0, -1))})
    lake.put("raw_trades", trades, symbol="A", day_column="recv_us")
    assert lake.get("raw_trades").equals(trades)
    assert lake.days("raw_trades", "A") == ["1970-01-02"]
    notes = pl.DataFrame({"word": ["b", "a", None]})
    assert lake.check(lake.put("notes", notes, symbol="A", day_column=None)).equals(notes)
    assert lake.tables() == ["notes", "raw_trades"]


def test_refusals_name_the_way_out(tmp_path):
    """Unknown tables, symbols and versions, bad names, empty frames and other columns are refused."""
    lake = Lake(tmp_path)
    lake.put("base", frame(), symbol="A")
    lake.put("base", frame(), symbol="B")
    with pytest.raises(LakeBroken, match="no table 'bars'"):
        lake.get("bars")
    with pytest.raises(LakeBroken, match="holds no 'C'"):
        lake.get("base", symbol="C")
    with pytest.raises(LakeBroken, match="version 9"):
        lake.get("base", version=9)
    with pytest.raises(LakeBroken, match="no table name"):
        lake.put("../base", frame(), symbol="A")
    with pytest.raises(LakeBroken, match="no rows"):
        lake.put("base", frame().head(0), symbol="A")
    with pytest.raises(LakeBroken, match="other columns"):
        lake.put("base", frame().drop("flag"), symbol="A")
    with pytest.raises(LakeBroken, match="neither|store numbers"):
        lake.put("base", frame().with_columns(x=pl.lit([1])), symbol="A")


def test_a_changed_file_is_noticed(tmp_path):
    """Rows that are no longer those of the Ref are refused."""
    lake = Lake(tmp_path)
    ref = lake.put("base", frame(), symbol="A")
    file = next(tmp_path.rglob("_day=1970-01-06/*.parquet"))
    pl.read_parquet(file, hive_partitioning=False).with_columns(b_second=pl.lit(5.0)).write_parquet(file)
    with pytest.raises(LakeBroken, match="restore|read"):
        lake.check(ref)
