"""Two runs side by side, from the files they left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from decot.cli.main import app
from decot.errors import ConfigError
from decot.experiment.compare import compare, run_folder


def leave(home: Path, name: str, *, lstm: int, rate: float, holds: bool, fee: float) -> None:
    """What a finished run leaves, with the numbers that matter here."""
    artefact = f"demo-{name[-1]}"
    files = {
        f"runs/{name}/run.json": {
            "run_id": name,
            "tables": [{"name": "features", "rows": 900, "digest": f"{fee}" * 20}],
            "train": {
                "individuals": 2,
                "trials": 2,
                "env_steps": 40,
                "artefact": artefact,
                "weights": name * 4,
            },
            "gate": {
                "verdict": "promoted" if holds else "refused",
                "rules": [
                    {
                        "name": "net_profit",
                        "figure": 1.0 if holds else -1.0,
                        "bound": 0,
                        "passed": holds,
                        "why": "",
                    },
                    {"name": "trades", "figure": 40.0, "bound": 30, "passed": True, "why": ""},
                ],
            },
            "trade": None,
            "report": "report.html",
        },
        f"runs/{name}/acts.json": {
            "acts": [{"name": "other day", "t_ms": [1, 2], "equity_usdt": [19.0, 19.0 + fee]}]
        },
        f"artefacts/{artefact}/agent.json": {
            "manifest": {
                "about": {"genome": {"lstm_units": lstm, "pool": 1}, "params": {"learning_rate": rate}}
            }
        },
        f"gate/{artefact}/brief.json": {"choices": {"market": {"fee_bps": fee}, "clock_ms": 1_000}},
    }
    for file, plain in files.items():
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text(json.dumps(plain))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    leave(tmp_path, "20260105-a", lstm=16, rate=1e-3, holds=True, fee=1.0)
    leave(tmp_path, "20260106-b", lstm=32, rate=1e-3, holds=False, fee=4.0)
    return tmp_path


def test_what_differs_is_told_first_and_what_is_the_same_is_kept(home):
    """Genome, hyper-parameters, choices, rules and accounts of both, by hand."""
    found = compare(home, "20260105-a", "20260106")
    assert found["genome"] == [
        {"what": "lstm_units", "left": 16, "right": 32, "differs": True},
        {"what": "pool", "left": 1, "right": 1, "differs": False},
    ]
    assert [row["differs"] for row in found["params"]] == [False]
    assert found["choices"] == [{"what": "market.fee_bps", "left": 1.0, "right": 4.0, "differs": True}]
    assert [(row["what"], row["left_held"], row["right_held"]) for row in found["rules"]] == [
        ("net_profit", True, False),
        ("trades", True, True),
    ]
    assert [one["equity_usdt"][-1] for one in found["curves"][0]["accounts"]] == [20.0, 23.0]


def test_a_run_of_before_has_no_account_and_is_still_compared(home):
    """Files that older runs did not leave are missing columns, not errors."""
    for file in ("runs/20260105-a/acts.json", "artefacts/demo-a/agent.json", "gate/demo-a/brief.json"):
        (home / file).unlink()
    found = compare(home, "20260105-a", "20260106-b")
    assert {row["left"] for row in found["genome"]} == {None}
    assert len(found["curves"][0]["accounts"]) == 1


def test_a_name_that_fits_nothing_or_several_is_refused(home):
    """The message lists what there is."""
    for name, n in (("2026", 2), ("1999", 0)):
        with pytest.raises(ConfigError, match=rf"{n} of that name .* 20260105-a, 20260106-b"):
            run_folder(home, name)


def test_the_command_prints_what_differs_and_writes_the_page(home):
    """Terminal, JSON, and one HTML file that fetches nothing; markup in a name is shown, not obeyed."""
    done = CliRunner().invoke(app, ["compare", "20260105", "20260106", "--home", str(home)])
    assert done.exit_code == 0, done.output
    assert "genome: 1 differ, 1 the same" in done.output
    assert "lstm_units" in done.output
    assert "net_profit" in done.output
    page = Path(done.output.strip().splitlines()[-1].removeprefix("page: ")).read_text()
    assert "<script src" not in page
    assert "other day" in page
    told = CliRunner().invoke(app, ["compare", "20260105", "20260106", "--home", str(home), "--json"])
    assert json.loads(told.output.strip().splitlines()[-1])["runs"][1]["verdict"] == "refused"
    assert CliRunner().invoke(app, ["compare", "2026", "x", "--home", str(home)]).exit_code == 1
