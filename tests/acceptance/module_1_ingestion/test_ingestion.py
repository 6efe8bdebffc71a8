"""Module 1: a bad day never reaches the lake; a good day lands the same twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from decot.data.lake import Lake
from decot.data.quarantine import ACCEPT, LEAVE_OUT, decide
from decot.data.tapes import write_tape
from decot.data.worlds import WorldConfig, make_world
from decot.errors import TableRefused
from decot.experiment import ingest
from decot.experiment.config import Experiment
from decot.experiment.order import Order
from decot.experiment.place import Place
from schemas.columns import BASE_COLUMNS

SMALL = WorldConfig(days=2, seconds_per_day=1_200)


def landed(home: Path, tape) -> dict:
    """The core of the ingest flow, without its engine."""
    experiment, place = Experiment(world=SMALL), Place(home)
    raw = place.stage(tape.symbol, ingest.raw_tables(tape))
    tables, _ = ingest.refine(experiment, place, tape.symbol, place.staged(raw))
    return place.land(tape.symbol, {**raw, **place.stage(tape.symbol, tables)})


def test_the_base_table_is_the_41_columns_in_their_order(tmp_path):
    """One row per second of the world, exactly the columns the design names, in that order."""
    refs = landed(tmp_path, make_world(SMALL))
    frame = Place(tmp_path).get(refs["base"])
    assert tuple(frame.columns) == BASE_COLUMNS
    assert len(BASE_COLUMNS) == 41
    assert frame.height == 2 * 1_200


def test_a_good_day_lands_the_same_twice(tmp_path):
    """The second landing writes no new version and gives the same digests, here and in another home."""
    first, second = landed(tmp_path / "a", make_world(SMALL)), landed(tmp_path / "a", make_world(SMALL))
    elsewhere = landed(tmp_path / "b", make_world(SMALL))
    assert first == second
    assert {name: ref.digest for name, ref in first.items()} == {n: r.digest for n, r in elsewhere.items()}
    assert len(Lake(tmp_path / "a" / "lake").history("base")) == 1


def test_an_implausible_day_goes_to_quarantine(tmp_path):
    """A feed that dies after a third of the second day is lawful row by row; the day is refused all the same."""
    world = make_world(SMALL)
    last_day = world.days()[-1]
    start = world.day(last_day).span_us()[0]
    alive = pl.col("recv_us") < start + 400_000_000
    tape = replace(world, book=world.book.filter(alive))
    with pytest.raises(TableRefused, match="gap"):
        landed(tmp_path, tape)
    assert Lake(tmp_path / "lake").tables() == []
    why = next((tmp_path / "quarantine").rglob("why.md")).read_text()
    assert "gap" in why


def test_a_person_can_let_a_quarantined_day_in_or_go_on_without_it(tmp_path):
    """The refusal names the way out; left out, the other day lands; accepted, both do, and the report says why."""
    world = make_world(SMALL)
    last_day = world.days()[-1]
    start = world.day(last_day).span_us()[0]
    tape = replace(world, book=world.book.filter(pl.col("recv_us") < start + 400_000_000))
    with pytest.raises(TableRefused, match="decot quarantine leave-out"):
        landed(tmp_path, tape)
    root = tmp_path / "quarantine"
    decide(root, tape.symbol, last_day, LEAVE_OUT, "the feed died")
    alone = landed(tmp_path, tape)["bars"]
    decide(root, tape.symbol, last_day, ACCEPT, "wanted for a drill")
    both = landed(tmp_path, tape)["bars"]
    assert alone.rows < both.rows
    assert Lake(tmp_path / "lake").days("bars", tape.symbol) == world.days()


def broken(tape_folder: Path, fault: str) -> None:
    """Spoil one file of a written tape."""
    if fault == "negative price":
        file = tape_folder / "trades.parquet"
        frame = pl.read_parquet(file)
        price = pl.when(pl.int_range(pl.len()) == 17).then(-1.0).otherwise(pl.col("price")).alias("price")
        frame.with_columns(price).write_parquet(file)
    elif fault == "unsorted time":
        file = tape_folder / "book.parquet"
        frame = pl.read_parquet(file)
        pl.concat([frame[100:], frame[:100]]).write_parquet(file)
    elif fault == "missing column":
        file = tape_folder / "book.parquet"
        pl.read_parquet(file).drop("ask").write_parquet(file)
    elif fault == "bad json":
        (tape_folder / "meta.json").write_text('{"symbol": ')
    elif fault == "bad parquet":
        (tape_folder / "trades.parquet").write_bytes(b"PAR1 no longer")


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("negative price", ("trades.parquet", "price", "17")),
        ("unsorted time", ("book.parquet", "recv_us")),
        ("missing column", ("book.parquet", "ask")),
        ("bad json", ("meta.json",)),
        ("bad parquet", ("trades.parquet",)),
    ],
)
def test_a_bad_tape_is_refused_with_its_place_and_nothing_lands(tmp_path, fault, named):
    """The message names file, column and row; neither staging nor lake holds anything."""
    folder = write_tape(make_world(SMALL), tmp_path / "tape")
    broken(folder, fault)
    order = Order(tape=str(folder), home=str(tmp_path / "home"))
    with pytest.raises(Exception) as refused:  # noqa: PT011  the type is asserted below
        ingest.fetch(Experiment(), order)
    assert type(refused.value).__name__ == "TapeRefused"
    assert all(word in str(refused.value) for word in named), str(refused.value)
    assert Lake(tmp_path / "home" / "lake").tables() == []


def test_the_command_line_says_what_is_wrong_and_fails(tmp_path, run_decot):
    """`decot ingest` on a spoiled tape ends with an exit code that is not 0 and a message, not a traceback."""
    folder = write_tape(make_world(SMALL), tmp_path / "tape")
    broken(folder, "negative price")
    said = run_decot("ingest", "--tape", str(folder), "--home", str(tmp_path / "home"), "--quiet")
    assert said.code == 1
    assert "trades.parquet" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "home" / "lake").exists()
