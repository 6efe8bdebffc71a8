"""The W&B Report is built from the ledger, without a server."""

import pytest

from decot.errors import ConfigError
from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate
from decot.report.tracking_report import wandb_report


def test_the_report_says_what_the_ledger_says(tmp_path):
    """Counts, leaderboard, front and ledger head are in its blocks."""
    pytest.importorskip("wandb_workspaces", reason="wandb-workspaces is not installed")
    ledger = Ledger(tmp_path / "l.jsonl", fsync=False)
    cfg = SearchConfig(generations=2, population=3, trials=2, subject="report")
    result = search(Surrogate(), cfg, ledger, tmp_path / "w")
    text = str(wandb_report(ledger.lines(), project="demo"))
    assert f"{result.trials} trials in 2 generations" in text
    assert ledger.head in text
    assert "ScatterPlot" in text
    assert f"| 1 | {result.front[0].individual} |" in text
    assert "Nothing reached" in str(wandb_report([]))


def test_without_the_package_the_way_out_is_named(monkeypatch):
    """The error says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install wandb-workspaces"):
        wandb_report([])
