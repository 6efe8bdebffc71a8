"""Venue, recorder, download, export and the causality question, as a person types them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import polars as pl
import pytest
from typer.testing import CliRunner

from decot.cli.feeds import moment
from decot.cli.main import app
from decot.data.lake import Lake
from decot.data.tapes import open_tape, write_tape
from decot.data.worlds import WorldConfig, make_world

runner = CliRunner()
COLUMNS = ["ts_us", "trade_id", "price", "quantity", "side"]


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    """Ten minutes of a made-up market, in the raw layout."""
    folder = tmp_path_factory.mktemp("tape")
    write_tape(make_world(WorldConfig(days=1, seconds_per_day=600)), folder)
    return folder


@pytest.fixture(scope="module")
def venue(tape):
    """`decot exchange` in its own process; its first line says where it is."""
    words = [
        sys.executable,
        "-c",
        "from decot.cli.main import main; main()",
        "exchange",
        "--tape",
        str(tape),
        "--port",
        "0",
    ]
    words += [
        "--speed",
        "200",
        "--wait",
        "3",
        "--drop",
        "0.02",
        "--dup",
        "0.02",
        "--seed",
        "3",
        "--json",
        "--quiet",
    ]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    try:
        yield json.loads(running.stdout.readline())
        running.send_signal(signal.SIGINT)
        rest, _ = running.communicate(timeout=20)
        assert running.returncode == 0
        assert json.loads(rest.splitlines()[-1])["frames"], "the last line is the venue's state"
    finally:
        running.kill()


def last(words):
    """A command's exit code 0 and its last line, read."""
    result = runner.invoke(app, [*words, "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_what_the_venue_replays_the_recorder_holds(venue, tape, tmp_path):
    """Recorded with losses on the way, exported and read back: every trade of the tape, once, to the millisecond."""
    port = ["--venue-port", str(venue["port"]), "--home", str(tmp_path)]
    report = last(["record", "--symbols", "BTC/USD", "--seconds", "4", *port])
    one = report["symbols"][0]
    assert (one["missing"], one["coverage_pct"]) == (0, 100.0)
    assert one["filled"] > 0
    assert one["duplicates"] > 0
    done = runner.invoke(
        app, ["export", "raw_trades", "--to", str(tmp_path / "t.csv"), "--home", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    wire_ms = pl.col("ts_us") // 1_000 * 1_000
    want = open_tape(tape).trades.with_columns(wire_ms).select(COLUMNS).sort("trade_id")
    got = pl.read_csv(tmp_path / "t.csv", schema_overrides={"side": pl.Int8}).select(COLUMNS).sort("trade_id")
    assert got.equals(want)


def test_the_past_comes_home_by_name(venue, tmp_path):
    """Candles of the venue's past in the lake; the same command again finds them here."""
    words = ["download", "--symbol", "BTC/USD", "--kind", "candles", "--home", str(tmp_path)]
    words += ["--since", "2026-01-05", "--until", "2026-01-05T00:03Z", "--venue-port", str(venue["port"])]
    first, again = last(words), last(words)
    assert first["holes"] == 0
    assert first["refs"] == again["refs"]
    assert Lake(tmp_path / "lake").tables() == ["raw_candles"]


def test_an_honest_table_passes_and_a_leaking_one_is_named(tape, monkeypatch):
    """Exit code 0 without leaks; 1 with the column that knows its future by name."""
    words = ["check-causality", "--tape", str(tape), "--cuts", "3", "--rows", "300"]
    assert last(words) == {"source": tape.name, "rows": 300, "columns": 110, "cuts": 3, "leaks": []}
    from decot.experiment import causal

    honest = causal.build_table
    monkeypatch.setattr(
        causal, "build_table", lambda bars, cfg: honest(bars, cfg).with_columns(pl.col("rsi_14").shift(-1))
    )
    result = runner.invoke(app, [*words, "--quiet"])
    assert result.exit_code == 1
    assert "rsi_14: row" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["download", "--symbol", "BTC/USDT"], 2, "--since"),
        (["download", "--symbol", "BTC/USDT", "--since", "soon", "--until", "2026-01-05"], 2, "ISO 8601"),
        (["exchange", "--world", "no-edge", "--tape", "x"], 2, "one source"),
        (["record", "--exchange", "binnance"], 1, "unknown to ccxt.pro"),
        (["export", "base", "--to", "b.csv"], 1, "no table 'base'"),
    ],
)
def test_a_wrong_word_is_answered_with_the_way_out(words, code, said, tmp_path):
    """A missing end, no time, two sources, an unknown exchange, no table: a sentence and an exit code."""
    result = runner.invoke(app, [*words, *([] if words[0] == "exchange" else ["--home", str(tmp_path)])])
    assert result.exit_code == code
    assert said in result.output


def test_times_without_a_zone_are_utc():
    """2026-01-05 begins at midnight UTC wherever the reader sits."""
    assert moment("--since", "2026-01-05") == moment("--since", "2026-01-05T02:00+02:00") == 1_767_571_200_000


def test_the_doctor_asks_the_venue_itself(venue):
    """Every symbol the exchange lists, at its own price and filters: 19 USDT are enough at the loopback venue, 3 are not."""
    port = ["--venue-port", str(venue["port"]), "--quote", "USD"]
    row = last_of(["doctor", *port, "--capital", "19", "--json"])[0]
    assert (row["symbol"], row["is_feasible"]) == ("BTC-USD", True)
    assert row["price"] > 0
    poor = last_of(["doctor", *port, "--capital", "3", "--json"])[0]
    assert not poor["is_feasible"]
    assert poor["why_not"]


def last_of(words):
    result = runner.invoke(app, words)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])
