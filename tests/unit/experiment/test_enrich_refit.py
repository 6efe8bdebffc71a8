"""A refit is compared with the one before; its own contents never depend on it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl

from decot.context.regimes import RegimeConfig, fit, posteriors
from decot.experiment import refit
from decot.experiment.place import Place

CFG = RegimeConfig(states=(2,), restarts=3, finalists=1, thin=1, log_vol_input=-1)


def model(calm: float = 1.0, wild: float = 4.0):
    rng = np.random.default_rng(3)
    spread = np.repeat(rng.integers(0, 2, 60), 25) * (wild - calm) + calm
    return fit(rng.normal(size=(1_500, 1)) * spread[:, None], CFG)


def kept(place: Place, name: str, one) -> None:
    folder = place.folder("contexts", name)
    (folder / "context.json").write_text(json.dumps({"regimes": json.loads(one.to_json())}))


def test_the_first_context_is_compared_with_nothing_and_the_next_with_it(tmp_path):
    """Same market: small cost, no flag. Wild states ten times as wild: flagged. Another symbol: nothing before it."""
    place, same = Place(tmp_path), model()
    for name, one in (("a", same), ("b", same), ("c", model(wild=40.0)), ("d", same)):
        kept(place, name, one)
    assert refit.remember(place, "BTC", "a", same) is None
    calm = refit.remember(place, "BTC", "b", same)
    assert calm is not None
    assert (calm["context"], calm["meaning_changed"], round(calm["cost"], 6)) == ("a", False, 0.0)
    other = refit.remember(place, "BTC", "c", model(wild=40.0))
    assert other is not None
    assert other["meaning_changed"]
    assert other["changed"]
    assert refit.remember(place, "ETH", "d", same) is None
    assert [(row["symbol"], row["name"]) for row in refit.latest(place)] == [("BTC", "c"), ("ETH", "d")]


def test_the_same_context_learnt_again_keeps_its_comparison(tmp_path):
    """Nothing is compared with itself, and the history does not grow."""
    place, same = Place(tmp_path), model()
    for name in "ab":
        kept(place, name, same)
        refit.remember(place, "BTC", name, same)
    history = (tmp_path / "contexts" / "history.jsonl").read_text()
    assert refit.remember(place, "BTC", "b", same) == refit.alignment_of(place, "b")
    assert (tmp_path / "contexts" / "history.jsonl").read_text() == history


def test_a_comparison_changes_no_digest(tmp_path):
    """The model that was compared is the very model that was learnt."""
    place, same = Place(tmp_path), model()
    kept(place, "a", same)
    refit.remember(place, "BTC", "a", same)
    before = same.digest
    refit.remember(place, "BTC", "b", same)
    assert same.digest == before


def test_the_summary_has_its_figures_a_card_and_a_page_that_fetches_nothing(tmp_path):
    """Shares sum to one, transitions to one per row; the page carries plotly itself and the flag of a changed meaning."""
    place, one = Place(tmp_path), model()
    x = np.random.default_rng(0).normal(size=(400, 1))
    weights = posteriors(one, x)
    frame = pl.DataFrame(
        {
            "timestamp": 1_767_571_200_000 + 1_000 * np.arange(400),
            "close": 90_000.0 + np.cumsum(x[:, 0]),
            **{f"regime_{k}": weights[:, k] for k in range(6)},
        }
    )
    kept(place, "a", replace(one))
    kept(place, "b", one)
    refit.remember(place, "BTC", "a", model(wild=40.0))
    (tmp_path / "contexts" / "a" / "context.json").write_text(
        json.dumps({"regimes": json.loads(model(wild=40.0).to_json())})
    )
    refit.remember(place, "BTC", "b", one)
    told = refit.told(place, "b", one, frame, 1_000)
    assert abs(sum(row["share"] for row in told["states"]) - 1) < 1e-12
    assert np.allclose(np.sum(told["transitions"], axis=1), 1, atol=1e-5)
    assert json.loads((tmp_path / "contexts" / "b" / "regimes.json").read_text()) == json.loads(
        json.dumps(told)
    )
    page = (tmp_path / "contexts" / "b" / "regimes.html").read_text()
    assert "Beside the model before" in page
    assert '<script src="http' not in page
    assert "<link" not in page
    text = {
        "model": "m",
        "is_stand_in": False,
        "headlines": 3,
        "possibly_seen": 2,
        "trained_until": "2022-06-16",
    }
    card = refit.card(told, text)
    for word in ("beside the context before, a", "3 headlines", "2 of them", "2022-06-16", "| 0 |"):
        assert word in card
