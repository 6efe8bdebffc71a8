"""The local views show what the ledger holds."""

from pathlib import Path

import pytest

from decot.evolve.ledger import Ledger
from decot.evolve.search import SearchConfig, search
from decot.evolve.surrogate import Surrogate
from decot.report.tracking_views import front_figure, rows, views

CFG = SearchConfig(generations=3, population=4, trials=2, rungs=(0.5, 1.0), subject="views")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    ledger = Ledger(folder / "l.jsonl", fsync=False)
    return search(Surrogate(), CFG, ledger, folder / "w"), ledger.lines()


def test_the_members_and_the_front_are_those_of_the_search(told):
    """Every full evaluation is a row, repetitions are its mean, and the drawn front is the search's front."""
    result, lines = told
    members = rows(lines)
    assert [row.key for row in members] == [member.key for member in result.members]
    assert [(row.profit, row.explanation) for row in members] == [member.point for member in result.members]
    drawn = front_figure(members)["data"][1]
    assert drawn["y"] == [member.point[0] for member in result.front]
    assert any(row.n_evaluations > 1 for row in members)


def test_every_view_is_a_figure_plotly_accepts(told, tmp_path):
    """Front, progress, parallel coordinates and lineage are drawn without complaint; the leaderboard is ordered."""
    go = pytest.importorskip("plotly.graph_objects")
    result, lines = told
    shown = views(lines)
    assert set(shown["figures"]) == {"front", "progress", "parallel", "lineage"}
    for figure in shown["figures"].values():
        go.Figure(figure)
    board = shown["leaderboard"]
    assert [entry["rank"] for entry in board] == list(range(1, len(board) + 1))
    assert board[0]["profit"] == round(result.front[0].point[0], 4)
    assert board[0]["front"]
    assert shown["figures"]["progress"]["data"][0]["y"] == result.hypervolumes
    edges = shown["figures"]["lineage"]["data"][0]["x"]
    assert len(edges) >= 3 * sum(bool(member.parents) for member in result.members)


def test_an_empty_ledger_has_empty_views(tmp_path: Path):
    """Nothing searched, nothing shown, nothing raised."""
    shown = views(Ledger(tmp_path / "l.jsonl").lines())
    assert shown["leaderboard"] == []
    assert shown["figures"]["parallel"]["data"] == []
