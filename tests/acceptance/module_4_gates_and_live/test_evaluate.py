"""An artefact on a market it has never seen: the account adds up, the ladder stands beside it, nothing is trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from decot.cli.main import app
from decot.data.tapes import open_tape, write_tape
from decot.data.worlds import WorldConfig, make_world


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another market of the same kind, with another seed."""
    world = WorldConfig(seed=99, days=1, seconds_per_day=3_600)
    return write_tape(make_world(world), tmp_path_factory.mktemp("elsewhere"))


def asked(home: Path, *words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["evaluate", "tiny", "--home", str(home), "--quiet", *words])
    return found.exit_code, found.output


def test_the_account_adds_up_beside_its_ladder(finished, elsewhere) -> None:
    """Profit in dollars is profit in bps; every rung and head is there; the same question gives the same answer."""
    weights = (finished.artefact / "agent.safetensors").read_bytes()
    code, said = asked(finished.path, "--tape", str(elsewhere), "--json")
    assert code == 0, said
    told = json.loads(said.strip().splitlines()[-1])
    assert told["net_bps"] == pytest.approx(told["net_usdt"] / told["capital_usdt"] * 1e4, abs=0.01)
    assert set(told["baselines"]) == {"noop", "buy_hold", "random", "least_squares", "oracle"}
    assert told["baselines"]["noop"]["net_bps"] == 0
    assert told["baselines"]["oracle"]["net_bps"] >= told["net_bps"]
    assert set(told["forecasts"]) == {"5", "10", "30"}
    assert told["words"]["reparsed"] == 1.0
    assert told["is_conclusive"]
    assert told["warm_up_bars"] == 300
    assert told["taught_rows_in_tape"] == 0 or told["symbol"] == finished.brief["features"]["symbol"]
    again = asked(finished.path, "--tape", str(elsewhere), "--json")[1].strip().splitlines()[-1]
    assert json.loads(again) == told
    assert (finished.artefact / "agent.safetensors").read_bytes() == weights


def test_dearer_is_never_better_for_the_same_wishes(finished, elsewhere) -> None:
    """The agent asks for the same positions; at a higher fee they earn no more."""
    earned = []
    for fee in ("0", "2", "10"):
        code, said = asked(finished.path, "--tape", str(elsewhere), "--fee-bps", fee, "--json")
        assert code == 0, said
        earned.append(json.loads(said.strip().splitlines()[-1])["net_bps"])
    assert earned[0] >= earned[1] >= earned[2]


def test_a_tape_of_minutes_is_reported_and_concludes_nothing(finished, elsewhere, tmp_path) -> None:
    """Ten minutes give a whole report that calls itself too short; half a minute is refused with the number of bars."""
    tape = open_tape(elsewhere)
    began = int(tape.book["recv_us"][0])

    def first(seconds: int) -> str:
        cut = [
            frame.filter(pl.col("recv_us") < began + seconds * 1_000_000)
            for frame in (tape.book, tape.trades)
        ]
        return str(write_tape(replace(tape, book=cut[0], trades=cut[1]), tmp_path / str(seconds)))

    code, said = asked(finished.path, "--tape", first(600), "--json")
    assert code == 0, said
    told = json.loads(said.strip().splitlines()[-1])
    assert not told["is_conclusive"]
    assert told["bars"] < 600 <= told["bars"] + told["warm_up_bars"] + 1
    assert f"{told['bars']} bars" in told["cautions"][0]
    assert "too few for a conclusion" in told["cautions"][0]
    assert len(told["heads"]) > 3
    assert told["baselines"]["oracle"]["net_bps"] >= told["net_bps"]
    code, said = asked(finished.path, "--tape", first(25))
    assert code == 1
    assert "bars after warm-up; 30 are needed" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--tape", "nowhere"), "no such file"),
        (("--tape", ".", "--capital", "20"), "less than 20"),
        (("--tape", ".", "--latency", "soon"), "milliseconds"),
        (("--tape", ".", "--day", "yesterday"), "YYYY-MM-DD"),
    ],
)
def test_a_senseless_question_is_answered_with_the_way_out(finished, words, why) -> None:
    """No traceback, exit code 1, and what to give instead."""
    code, said = asked(finished.path, *words)
    assert code == 1
    assert why in said
