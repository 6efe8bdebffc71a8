"""`decot track`: everything it shows is painted from the ledger, and from one that holds."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from decot.cli.track import app
from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate

CFG = SearchConfig(generations=2, population=3, trials=1)


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "search" / CFG.identity
    search(Surrogate(), CFG, Ledger(folder / "ledger.jsonl", fsync=False), folder)
    return tmp_path


def said(*words, home):
    return CliRunner().invoke(app, ["track", *words, "--home", str(home)])


def test_a_page_without_an_account(home):
    """`view` writes one page and says where; the JSON has the leaderboard."""
    done = said("view", "--json", home=home)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["search"] == CFG.identity
    assert told["leaderboard"][0]["rank"] == 1
    assert "Pareto front" in (home / "tracking" / CFG.identity / "view.html").read_text()


def test_studies_for_a_dashboard(home):
    """`studies` paints every individual into a database."""
    done = said("studies", "--to", f"sqlite:///{home / 's.db'}", "--json", home=home)
    assert json.loads(done.stdout.strip().splitlines()[-1])["studies"] > 0


def test_the_mirror_is_rebuilt(home):
    """`sync` leaves a run folder per individual."""
    pytest.importorskip("wandb")
    done = said("sync", CFG.identity[:4], "--json", home=home)
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["why"] == ""
    assert told["runs"] == len({line.payload["key"][:8] for line in Ledger(told["ledger"]).lines("trial")})


def test_a_forged_ledger_is_shown_by_nobody(home):
    """An edited line is named and the exit code is 1; an unknown name is answered with the known ones."""
    path = home / "search" / CFG.identity / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"profit":', b'"profit" :', 1))
    for words in (("view",), ("sync",), ("studies", "--to", "sqlite://")):
        done = said(*words, home=home)
        assert done.exit_code == 1
        assert "line " in done.output
    assert CFG.identity in said("view", "moon", home=home).output
