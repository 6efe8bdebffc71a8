"""Regimes for the eye and for a summary line: price by regime, transitions, dwell times. Knows no report.

The figure is a plain dict in plotly's JSON form, so whoever tells the story needs neither this room nor numpy.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from decot.context.forward import Floats
from decot.context.regime_model import RegimeModel

COLOURS = ("#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#56b4e9")
"""told apart by colour-blind eyes too (Okabe and Ito)"""
_INK, _LINE, _CLEAR = "#808080", "rgba(128,128,128,0.25)", "rgba(0,0,0,0)"
"""no paper of its own, and ink that can be read on a light page and on a dark one"""
_MOST_PAUSES = 40


def dwell_runs(labels: np.ndarray, n_states: int) -> list[np.ndarray]:
    """For each state, the lengths in bars of its finished runs (the last run is still open and left out)."""
    edges = np.flatnonzero(np.diff(labels)) + 1
    starts = np.r_[0, edges]
    lengths = np.diff(np.r_[starts, len(labels)])[:-1]
    return [lengths[labels[starts[:-1]] == k] for k in range(n_states)]


def regime_summary(model: RegimeModel, posterior: Floats, clock_ms: int) -> dict[str, Any]:
    """Figures of a regime model on a table: per state its share, volatility, mean and dwell time; all plain values."""
    labels = posterior.argmax(1)
    runs = dwell_runs(labels, model.n_states)
    mean, spread = model.moments()[0], model.volatility()
    states = [
        {
            "state": k,
            "share": float((labels == k).mean()),
            "volatility": float(spread[k]),
            "mean": mean[k].tolist(),
            "expected_dwell_s": float(model.dwell_bars()[k] * clock_ms / 1_000),
            "seen_dwell_s": float(runs[k].mean() * clock_ms / 1_000) if runs[k].size else None,
        }
        for k in range(model.n_states)
    ]
    hours = max(len(labels) * clock_ms / 3_600_000, 1e-12)
    return {
        "n_states": model.n_states,
        "sha256": model.digest,
        "states": states,
        "switches_per_hour": float((np.diff(labels) != 0).sum() / hours),
        "certainty": float(posterior.max(1).mean()),
        "bic": model.fitted.get("bic"),
        "tried": {str(notes["n_states"]): notes["bic"] for notes in model.fitted.get("tried", [])},
        "alignment": model.fitted.get("alignment"),
    }


def regime_picture(
    timestamp_ms: np.ndarray, mid: Floats, posterior: Floats, model: RegimeModel, *, most_points: int = 4_000
) -> dict[str, Any]:
    """Price coloured by the most likely regime, the transition matrix, and dwell times, as a plotly figure dict.

    Args:
        timestamp_ms, mid, posterior: (T,), (T,), (T, ≥K) of the bars shown, causal posteriors.
        most_points: long tables are thinned to every n-th bar for the price; dwell times use every bar.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    n_states = model.n_states
    names = [f"regime {k}" for k in range(n_states)]
    labels = posterior.argmax(1)
    figure = make_subplots(
        rows=3,
        cols=2,
        specs=[[{"colspan": 2}, None], [{"colspan": 2}, None], [{}, {}]],
        row_heights=[0.48, 0.12, 0.40],
        vertical_spacing=0.11,
        subplot_titles=(
            "mid, each bar in the colour of its likeliest regime",
            "how much of each stretch was which",
            "transition probability per bar, from row to column",
            "dwell time, bars",
        ),
    )
    every = max(-(-len(mid) // most_points), 1)
    stamps = np.asarray(timestamp_ms)
    times = _written(stamps[::every])
    price, shown = np.asarray(mid, dtype=np.float64)[::every], labels[::every]
    for k in range(n_states):
        own = [float(p) if label == k else None for p, label in zip(price, shown, strict=True)]
        line = go.Scatter(
            x=times,
            y=own,
            mode="lines+markers",
            marker={"color": COLOURS[k], "size": 3},
            line={"color": COLOURS[k], "width": 1.5},
            connectgaps=False,
            name=f"{names[k]}, {model.volatility()[k]:.2g} bps a bar",
            legendgroup=names[k],
        )
        figure.add_trace(line, row=1, col=1)
    starts, shares = _stretches(posterior[:, :n_states])
    for k in range(n_states):
        band = go.Scatter(
            x=_written(stamps[starts]),
            y=shares[:, k].tolist(),
            stackgroup="regimes",
            mode="lines",
            line={"width": 0, "color": COLOURS[k]},
            fillcolor=COLOURS[k],
            name=names[k],
            legendgroup=names[k],
            showlegend=False,
        )
        figure.add_trace(band, row=2, col=1)
    matrix = go.Heatmap(
        z=model.move.tolist(),
        x=names,
        y=names,
        zmin=0,
        zmax=1,
        colorscale="Blues",
        showscale=False,
        text=[[f"{p:.4f}" if p >= 5e-5 else f"{p:.0e}" for p in row] for row in model.move],
        texttemplate="%{text}",
    )
    figure.add_trace(matrix, row=3, col=1)
    for k, runs in enumerate(dwell_runs(labels, n_states)):
        box = go.Box(
            y=runs.tolist(), name=names[k], marker_color=COLOURS[k], boxpoints=False, showlegend=False
        )
        figure.add_trace(box, row=3, col=2)
    expected = go.Scatter(
        x=names,
        y=model.dwell_bars().tolist(),
        mode="markers",
        marker={"symbol": "diamond", "color": _INK, "size": 8},
        name="expected, 1/(1−a)",
    )
    figure.add_trace(expected, row=3, col=2)
    figure.update_xaxes(showgrid=False, linecolor=_LINE, ticks="outside", tickcolor=_LINE)
    figure.update_yaxes(gridcolor=_LINE, zeroline=False)
    figure.update_xaxes(rangebreaks=_pauses(stamps), row=1, col=1)
    figure.update_xaxes(matches="x", rangebreaks=_pauses(stamps), row=2, col=1)
    figure.update_xaxes(showticklabels=False, ticks="", row=1, col=1)
    figure.update_yaxes(range=[0, 1], tickformat=".0%", nticks=3, showgrid=False, row=2, col=1)
    figure.update_yaxes(type="log", dtick=1, row=3, col=2)
    figure.update_yaxes(autorange="reversed", row=3, col=1)
    figure.update_annotations(font={"size": 13, "color": _INK})
    figure.update_layout(
        height=760,
        margin={"l": 70, "r": 20, "t": 80, "b": 40},
        template="none",
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        font={"color": _INK, "family": "system-ui, sans-serif", "size": 12},
        modebar={"bgcolor": _CLEAR, "color": _INK},
        legend={"orientation": "h", "y": 1.06, "yanchor": "bottom", "x": 0},
    )
    plain: dict[str, Any] = json.loads(figure.to_json())
    plain["layout"].pop("template", None)
    return plain


def _pauses(stamps_ms: np.ndarray) -> list[dict[str, list[str]]]:
    """Times without bars are left out of the axis: nothing was known there, so nothing is drawn there."""
    steps = np.diff(stamps_ms)
    if not steps.size:
        return []
    longest = np.argsort(-steps, kind="stable")[:_MOST_PAUSES]
    usual = max(60 * float(np.median(steps)), 600_000.0)
    return [{"bounds": _written(stamps_ms[[i, i + 1]])} for i in sorted(longest) if steps[i] > usual]


def _written(stamps_ms: np.ndarray) -> list[str]:
    return np.asarray(stamps_ms).astype("datetime64[ms]").astype(str).tolist()


def _stretches(posterior: Floats, most: int = 240) -> tuple[np.ndarray, Floats]:
    """First rows of at most `most` equal stretches, and the mean posterior of each."""
    length = max(-(-len(posterior) // most), 1)
    starts = np.arange(0, len(posterior), length)
    sums = np.add.reduceat(posterior, starts, axis=0)
    return starts, sums / np.maximum(sums.sum(1, keepdims=True), 1e-300)
