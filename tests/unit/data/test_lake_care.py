"""Lineage and sweeping of the lake."""

from __future__ import annotations

import polars as pl

from decot.data.lake import Lake
from decot.data.lake_care import family, lineage, made_of, sweep


def frame(times=1.0):
    return pl.DataFrame({"timestamp": [1_000, 2_000, 3_000], "x": [times, 2 * times, 3 * times]})


def test_lineage_follows_the_sources(tmp_path):
    """A table made of another made of a third: all three, with their depth."""
    lake = Lake(tmp_path)
    raw = lake.put("raw", frame(), symbol="A")
    bars = lake.put("bars", frame(times=2.0), symbol="A", sources=[raw])
    base = lake.put("base", frame(times=3.0), symbol="A", sources=[bars, raw])
    assert lineage(lake, base) == [(0, base), (1, bars), (2, raw)]
    assert lake.refs() == [bars, base, raw]


def test_the_family_of_a_table_says_what_is_old_and_what_is_elsewhere(tmp_path):
    """A source that has a newer version is not the latest; one another lake holds is not here; a second mention is short."""
    lake, other = Lake(tmp_path / "a"), Lake(tmp_path / "b")
    raw = lake.put("raw", frame(), symbol="A", note="fetched")
    foreign = other.put("news", frame(times=9.0), symbol="A")
    bars = lake.put("bars", frame(times=2.0), symbol="A", sources=[raw])
    base = lake.put("base", frame(times=3.0), symbol="A", sources=[bars, raw, foreign])
    lake.put("raw", frame(times=5.0), symbol="A")
    told = family(lake, base)
    assert made_of(lake, base) == [bars, raw, foreign]
    assert [(one["name"], one["is_latest"], one["is_here"]) for one in told["made_of"]] == [
        ("bars", True, True),
        ("raw", False, True),
        ("news", False, False),
    ]
    assert told["made_of"][0]["made_of"][0]["note"] == "fetched"
    assert told["made_of"][1]["is_told"]
    assert told["digest"] == base.digest


def test_sweeping_takes_only_what_no_version_names(tmp_path):
    """A file a killed writer left is deleted; every version of every symbol stays readable."""
    lake = Lake(tmp_path)
    refs = [
        lake.put("base", frame(times=float(k)), symbol=symbol) for k in (1, 2) for symbol in ("A/B", "it's")
    ]
    left = next(tmp_path.rglob("*.parquet")).with_name("part-left-over.parquet")
    left.write_bytes(b"torn")
    assert sweep(lake, "base") == 0
    assert sweep(lake, "base", older_than_s=-1.0) == 1
    assert not left.exists()
    for ref in refs:
        lake.check(ref)
