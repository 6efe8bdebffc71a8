"""What `decot tables` and the quarantine say, as a person types it."""

from __future__ import annotations

import json

import polars as pl
import pytest
from typer.testing import CliRunner

from decot.cli.main import app
from decot.data.lake import Lake

runner = CliRunner()


def frame(times=1.0):
    return pl.DataFrame({"timestamp": [1_000, 2_000, 3_000], "x": [times, 2 * times, 3 * times]})


@pytest.fixture
def home(tmp_path):
    """A lake in which base was made of bars v0, and bars has moved on to v1."""
    lake = Lake(tmp_path / "lake")
    raw = lake.put("raw_trades", frame(), symbol="BTC/USDT", note="downloaded")
    bars = lake.put("bars", frame(times=2.0), symbol="BTC/USDT", sources=[raw])
    lake.put("base", frame(times=3.0), symbol="BTC/USDT", sources=[bars, raw])
    lake.put("bars", frame(times=4.0), symbol="BTC/USDT", sources=[raw])
    return tmp_path


def said(*words):
    result = runner.invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_tables_draw_where_each_came_from(home):
    """A tree per table with version and digest; a source that has moved on is old, one told twice refers back."""
    lines = said("tables", "--home", str(home)).splitlines()
    at = next(k for k, line in enumerate(lines) if line.startswith("base"))
    refs = {ref.table: ref for ref in Lake(home / "lake").refs()}
    assert refs["base"].digest[:16] in lines[at]
    assert lines[at + 1].strip().startswith("├─ bars v0  3 rows")
    assert lines[at + 1].endswith("(old)")
    assert "└─ raw_trades v0" in lines[at + 2]
    assert refs["raw_trades"].digest[:16] in lines[at + 2]
    assert lines[at + 3].startswith("  └─ raw_trades v0")
    assert lines[at + 3].endswith("(see above)")
    assert any(line.startswith("raw_trades") and line.endswith("downloaded") for line in lines)


def test_tables_say_the_same_to_a_machine(home):
    """--json nests the sources with versions and digests; --history lists every version of the table asked for."""
    found = json.loads(said("tables", "bars", "--history", "--home", str(home), "--json").splitlines()[-1])
    assert [entry["name"] for entry in found] == ["bars"]
    assert found[0]["version"] == 1
    assert [source["name"] for source in found[0]["made_of"]] == ["raw_trades"]
    assert [commit["version"] for commit in found[0]["history"]] == [0, 1]
    assert found[0]["history"][1]["digest"] == found[0]["digest"]


def test_a_table_that_is_not_there_is_named_with_those_that_are(home):
    """A mistyped name is refused with the names there are."""
    result = runner.invoke(app, ["tables", "bras", "--home", str(home)])
    assert result.exit_code == 1
    assert "bars, base, raw_trades" in result.output


def test_a_quarantined_day_is_read_decided_and_taken_back(tmp_path):
    """Listed with its reasons; left out with a reason; taken back; a day nobody knows is refused."""
    from decot.data.quarantine import set_aside

    words = ("--home", str(tmp_path))
    assert "no day waits" in said("quarantine", *words)
    set_aside(
        tmp_path / "quarantine", "bars", frame(), symbol="BTCUSDT", day="2025-09-24", failed=["gap of 300 s"]
    )
    assert "gap of 300 s" in said("quarantine", *words)
    said("quarantine", "leave-out", "BTCUSDT", "2025-09-24", "--because", "half a day", *words)
    row = json.loads(said("quarantine", *words, "--json").splitlines()[-1])[0]
    assert (row["decision"]["what"], row["decision"]["because"]) == ("leave-out", "half a day")
    assert "taken back" in said("quarantine", "forget", "BTCUSDT", "2025-09-24", *words)
    result = runner.invoke(app, ["quarantine", "accept", "BTCUSDT", "2025-09-25", "--because", "x", *words])
    assert result.exit_code == 1
    assert "there are: BTCUSDT 2025-09-24" in result.output
