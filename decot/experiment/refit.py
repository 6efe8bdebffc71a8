"""What a refit changed: states beside those of the context before, a summary for machines, a page for people.

Knows contexts by name and symbol. A context's own contents never depend on the one before it: states keep their
canonical order, the comparison only says what a label costs to carry over, and whether it still means the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from decot import clock
from decot.context.regime_align import align
from decot.context.regime_model import RegimeModel
from decot.context.regime_page import regime_page
from decot.context.regime_picture import regime_picture, regime_summary
from decot.experiment.place import Place

_HISTORY = "history.jsonl"


def remember(place: Place, symbol: str, name: str, model: RegimeModel) -> dict[str, Any] | None:
    """Compare with the symbol's context before this one, and note both; None for the first of its symbol.

    The same context learnt again keeps the comparison it already has.
    """
    folder = place.folder("contexts")
    before = [row["name"] for row in _history(folder) if row["symbol"] == symbol and row["name"] != name]
    if _known(folder, symbol, name):
        return alignment_of(place, name)
    told = _compared(folder, before[-1], model) if before else None
    if told is not None:
        _write(place.folder("contexts", name) / "alignment.json", json.dumps(told))
    with (folder / _HISTORY).open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"symbol": symbol, "name": name, "at": clock.now().isoformat()}) + "\n")
    return told


def alignment_of(place: Place, name: str) -> dict[str, Any] | None:
    """The comparison made when the context was learnt, if there was one before it."""
    file = place.home / "contexts" / name / "alignment.json"
    return dict(json.loads(file.read_text())) if file.is_file() else None


def latest(place: Place) -> list[dict[str, str]]:
    """The newest context of every symbol: symbol, name, at."""
    newest = {row["symbol"]: row for row in _history(place.home / "contexts")}
    return list(newest.values())


def _history(folder: Path) -> list[dict[str, str]]:
    file = folder / _HISTORY
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def _known(folder: Path, symbol: str, name: str) -> bool:
    newest = [row["name"] for row in _history(folder) if row["symbol"] == symbol]
    return bool(newest) and newest[-1] == name


def _compared(folder: Path, previous: str, model: RegimeModel) -> dict[str, Any] | None:
    file = folder / previous / "context.json"
    if not file.is_file():
        return None
    old = RegimeModel.from_json(json.dumps(json.loads(file.read_text())["regimes"]))
    if old.moments()[0].shape[1] != model.moments()[0].shape[1]:
        return {
            "context": previous,
            "meaning_changed": True,
            "changed": ["the inputs are others"],
            "cost": None,
        }
    told = align(model, old)[1].to_dict()
    swapped = list(told["order"]) != sorted(told["order"])
    changed = [*told["changed"], *(["the cheapest match is not label by label"] if swapped else [])]
    return {**told, "context": previous, "changed": changed, "meaning_changed": bool(changed)}


def told(place: Place, name: str, model: RegimeModel, frame: pl.DataFrame, clock_ms: int) -> dict[str, Any]:
    """Figures of the regimes on a features table; they and the picture are put beside the context.

    Returns:
        plain values: `regime_summary`, the transition matrix, the comparison with the refit before, the present
        posterior, and `picture`, the page's path.
    """
    posterior = np.stack([frame[f"regime_{k}"].to_numpy() for k in range(model.n_states)], axis=1)
    summary = {
        **regime_summary(model, posterior, clock_ms),
        "transitions": [[round(float(p), 6) for p in row] for row in model.move],
        "alignment": alignment_of(place, name),
        "context": name,
        "at": clock.iso(int(frame["timestamp"][-1])),
        "now": [round(float(p), 6) for p in posterior[-1]],
    }
    drawn = regime_picture(frame["timestamp"].to_numpy(), frame["close"].to_numpy(), posterior, model)
    folder = place.folder("contexts", name)
    page = folder / "regimes.html"
    _write(page, regime_page(drawn, summary))
    summary["picture"] = str(page.resolve())
    _write(folder / "regimes.json", json.dumps(summary))
    return summary


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".part")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def in_words(compared: Mapping[str, Any] | None) -> str:
    """What the refit changed, in one sentence: for a card, a report's facts, a terminal."""
    if compared is None:
        return "no context of this symbol before it"
    cost = "" if compared["cost"] is None else f" (dearest match {compared['cost']:.2f} spreads)"
    changed = "; ".join(compared["changed"])
    verdict = f"meaning changed: {changed}" if changed else "every label means what it meant"
    return f"beside the context before, {compared['context']}: {verdict}{cost}"


def card(regimes: Mapping[str, Any], text: Mapping[str, Any]) -> str:
    """Regimes, what the refit changed, and who read the news, in markdown."""
    lines = [
        "## Around the market",
        "",
        "| regime | share | volatility, bps a bar | stayed, s | expected, s |",
        "|-|-|-|-|-|",
    ]
    for row in regimes["states"]:
        seen = "" if row["seen_dwell_s"] is None else f"{row['seen_dwell_s']:.1f}"
        lines.append(
            f"| {row['state']} | {row['share']:.1%} | {row['volatility']:.4g} | {seen} | {row['expected_dwell_s']:.1f} |"
        )
    compared = regimes.get("alignment")
    if compared is not None:
        lines += ["", in_words(compared)]
    stand_in = " (a stand-in built on the spot)" if text["is_stand_in"] else ""
    lines += ["", f"news read by: {text['model']}{stand_in}, {text['headlines']} headlines"]
    if text["headlines"] and not text.get("projected", True):
        lines.append("no headline was there while the tape taught: text_* are masked, sentiment_* are not")
    if text["possibly_seen"]:
        lines.append(
            f"{text['possibly_seen']} of them were published by {text['trained_until']}, when the encoder itself was still "
            "learning: it may remember what followed"
        )
    return "\n".join(lines)
