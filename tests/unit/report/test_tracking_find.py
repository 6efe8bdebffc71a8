"""A run's ledger is found by what people call it."""

from __future__ import annotations

import json

import pytest

from decot.errors import ConfigError
from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.study import rebuild
from decot.evolve.surrogate import Surrogate
from decot.report.html import search_page
from decot.report.tracking_find import ledger_of
from decot.report.tracking_views import views

CFG = SearchConfig(generations=2, population=3, trials=2, rungs=(0.5, 1.0))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    folder = home / "search" / CFG.identity
    ledger = Ledger(folder / "ledger.jsonl", fsync=False)
    result = search(Surrogate(), CFG, ledger, folder)
    for name, more in (("20260101-000000-demo", {}), ("20260102-000000-demo", {"search": CFG.identity})):
        run = home / "runs" / name
        run.mkdir(parents=True)
        (run / "run.json").write_text(json.dumps({"train": {"ledger_head": result.ledger_head, **more}}))
    return home


def test_run_search_beginning_file_and_newest(home):
    """Each of them is the same ledger."""
    path = home / "search" / CFG.identity / "ledger.jsonl"
    for name in ("", "20260101", "20260102-000000-demo", CFG.identity, CFG.identity[:5], str(path)):
        assert ledger_of(home, name) == path


def test_what_is_not_there_is_answered_with_what_is(home, tmp_path):
    """An unknown or ambiguous name, and a home without runs."""
    with pytest.raises(ConfigError, match=r"moon: 0 of that name.*20260102"):
        ledger_of(home, "moon")
    with pytest.raises(ConfigError, match="2026: 2 of that name"):
        ledger_of(home, "2026")
    with pytest.raises(ConfigError, match="decot run --profile demo"):
        ledger_of(tmp_path)


def test_the_page_is_whole_and_fetches_nothing(home):
    """Leaderboard and the four figures are in it, and no address to be fetched from."""
    drawn = views(Ledger(ledger_of(home)).lines())
    page = search_page(drawn, "A search", {"trials": 3})
    assert all(
        word in page
        for word in ("Pareto front", "Lineage", "Genes and parameters", "Progress", "ledger line")
    )
    assert '<script src="' not in page
    assert '<link rel="stylesheet"' not in page


def test_studies_are_painted_again_from_the_ledger(home, tmp_path):
    """One per individual, each trial at its last rung, and twice the same."""
    import optuna

    url = f"sqlite:///{tmp_path / 's.db'}"
    lines = Ledger(ledger_of(home)).lines()
    n = rebuild(lines, url)
    assert n == len({line.payload["key"][:8] for line in lines if line.kind == "trial"})
    assert rebuild(lines, url) == n
    study = optuna.load_study(study_name=f"decot-{CFG.identity}-g000-i00", storage=url)
    assert len(study.trials) == 2
