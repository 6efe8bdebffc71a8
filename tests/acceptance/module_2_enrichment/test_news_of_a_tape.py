"""A recorded tape and a headlines file over its days, through the command a person types."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from decot.data.lake import Lake
from decot.data.layouts_plain import write_tape
from decot.data.tape import HEADLINES, empty
from decot.data.worlds import WorldConfig, make_world

WORLD = WorldConfig(days=2, seconds_per_day=5_400)


@pytest.fixture(scope="module")
def enriched(tmp_path_factory, run_decot):
    """A world written out as a recorded tape without news; its headlines in a CSV, with repeats and old dates."""
    from dataclasses import replace

    folder = tmp_path_factory.mktemp("news")
    world = make_world(WORLD)
    write_tape(replace(world, headlines=empty(HEADLINES)), folder / "tape")
    last = int(world.headlines["available_ms"][-1])
    rows = [
        {
            "published_at": row["published_ms"],
            "available_at": row["available_ms"],
            "headline": f"{i}: {row['text']}",
        }
        for i, row in enumerate(world.headlines.to_dicts())
    ]
    rows += [{**row, "available_at": row["available_at"] + 5_000} for row in rows[:4]]
    rows.append(
        {"published_at": 1_600_000_000_000, "available_at": last, "headline": "an old story resurfaces"}
    )
    rows.append({"published_at": last, "available_at": last + 10 * 86_400_000, "headline": "after the tape"})
    pl.DataFrame(rows).write_csv(folder / "news.csv")
    home = folder / "home"
    said = run_decot(
        *("enrich", "--tape", str(folder / "tape"), "--news", str(folder / "news.csv")),
        *("--home", str(home), "--json"),
    )
    return home, said, world.headlines.height


def test_the_command_joins_the_file_and_says_what_it_did(enriched):
    """Repeats dropped, what came after the tape left out, both times kept apart, the table has its 110 columns."""
    home, said, n = enriched
    assert said.code == 0, said.err[-3_000:]
    tables = {ref["name"]: ref for ref in said.json["tables"]}
    assert tables["headlines"]["rows"] == n + 1
    assert tables["features"]["columns"] >= 50
    kept = Lake(home / "lake").get("headlines", symbol=tables["headlines"]["symbol"])
    assert kept["available_ms"].is_sorted()
    old = kept.filter(pl.col("text") == "an old story resurfaces")
    assert old["published_ms"].to_list() == [1_600_000_000_000]
    assert (kept["available_ms"] >= kept["published_ms"]).all()
    assert "4 repeats dropped" in said.err
    assert f"{n + 1} headlines read by" in said.err


def test_news_moves_its_columns_from_its_arrival(enriched):
    """Before the first arrival nothing is known; after it the tone is a distribution."""
    home, said, _ = enriched
    symbol = said.json["tables"][0]["symbol"]
    lake = Lake(home / "lake")
    wide, news = lake.get("features", symbol=symbol), lake.get("headlines", symbol=symbol)
    before = wide.filter(pl.col("timestamp") < int(news["available_ms"][0]))
    known = wide.filter(pl.col("news_known") == 1)
    assert before["news_known"].sum() == 0
    assert known.height > 0
    tone = known.select(pl.sum_horizontal("^sentiment_.*$")).to_series()
    assert float((tone - 1).abs().max()) < 1e-5
    assert known["text_0"].std() > 0


def test_the_regimes_are_in_the_answer_and_in_a_page(enriched):
    """States, transitions, the comparison with the context before (none), and a page that fetches nothing."""
    _, said, _ = enriched
    regimes = said.json["regimes"]
    assert abs(sum(row["share"] for row in regimes["states"]) - 1) < 1e-9
    assert "alignment" in regimes
    page = Path(said.json["picture"]).read_text(encoding="utf-8")
    assert "how much of each stretch was which" in page
    assert "<script src=" not in page
    assert json.dumps(said.json["text"])
    assert said.json["text"]["is_stand_in"] is True
    assert said.json["text"]["possibly_seen"] == 0, "a stand-in built on the spot has seen nothing"
