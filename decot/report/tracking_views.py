"""A search for those without a W&B account: leaderboard, front, parallel coordinates, lineage and progress, as plotly
figure dicts. Knows ledger lines; draws nothing itself and needs no plotly.

Every figure is `{"data": [...], "layout": {...}}`, ready for `plotly.io.to_html` or for the JavaScript library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from decot.evolve.ledger import Line
from decot.evolve.pareto import front

Figure = dict[str, Any]

INK, FAINT, ACCENT, GREY = "#4a6b8a", "#b6c2cd", "#c8553d", "#808080"
GRID = "rgba(128,128,128,0.25)"
_MOST_LINES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One evaluation at full budget, repetitions folded into the mean."""

    key: str
    line: int
    """its line in the ledger"""
    generation: int
    individual: str
    profit: float
    explanation: float
    proxy: float
    n_evaluations: int
    env_steps: int
    genome: Mapping[str, Any]
    params: Mapping[str, Any]
    parents: tuple[str, ...]


def rows(lines: Sequence[Line], search: str = "") -> list[Row]:
    """The members of a search as its ledger tells them; of the last search there when none is named."""
    named = [line.payload["search"] for line in lines if line.kind == "search"]
    search = search or (named[-1] if named else "")
    trials = [line for line in lines if line.kind == "trial" and line.payload["search"] == search]
    found: dict[str, Row] = {}
    repeats: dict[str, list[tuple[float, float]]] = {}
    for line in trials:
        own, figures = line.payload, line.payload["evaluation"]
        if own["budget"] != 1.0 or "failed" in figures["notes"] or own["role"] == "finalist":
            continue
        if own["role"] == "again":
            repeats.setdefault(own["key"].rsplit("-a", 1)[0], []).append(
                (figures["profit"], figures["explanation"])
            )
            continue
        generation, individual = own["key"].split("-")[:2]
        found[own["key"]] = Row(
            key=own["key"],
            line=line.n,
            generation=int(generation[1:]),
            individual=f"{generation}-{individual}",
            profit=figures["profit"],
            explanation=figures["explanation"],
            proxy=figures["proxy"],
            n_evaluations=1,
            env_steps=figures["env_steps"],
            genome=own["genome"],
            params=own["params"],
            parents=tuple(own.get("parents", ())),
        )
    return [_folded(row, repeats.get(row.key, [])) for row in found.values()]


def leaderboard(members: Sequence[Row], n: int = 12) -> list[dict[str, Any]]:
    """The best by profit, as table rows; `front` says whether nothing dominates them."""
    kept = {members[i].key for i in front([(row.profit, row.explanation) for row in members])}
    ordered = sorted(members, key=lambda row: (-row.profit, -row.explanation, row.key))
    return [
        {
            "rank": rank,
            "individual": row.individual,
            "ledger line": row.line,
            "profit": round(row.profit, 4),
            "explanation": round(row.explanation, 4),
            "evaluations": row.n_evaluations,
            "front": row.key in kept,
            "algorithm": row.genome["algorithm"],
            "questions": " → ".join(row.genome["questions"]),
        }
        for rank, row in enumerate(ordered[:n], start=1)
    ]


def front_figure(members: Sequence[Row]) -> Figure:
    """Profit against explanation; every member faint, the front in colour."""
    kept = [members[i] for i in front([(row.profit, row.explanation) for row in members])]
    return _figure(
        [
            _scatter(members, FAINT, "all members", "markers"),
            _scatter(kept, ACCENT, "Pareto front", "markers+lines"),
        ],
        "Pareto front",
        x="explanation quality",
        y="profit (risk-adjusted)",
    )


def parallel_figure(members: Sequence[Row]) -> Figure:
    """Genes and parameters of the best members as parallel axes, each from its smallest to its largest value; the more a
    line earned, the stronger its colour. Plain lines, so that it needs no graphics card and prints."""
    shown = sorted(members, key=lambda row: row.profit)[-_MOST_LINES:]
    if not shown:
        return _figure([], "Genes and parameters")
    axes = [_axis(name, [row.genome[name] for row in shown]) for name in shown[0].genome]
    axes += [_axis(name, [row.params[name] for row in shown], ".2g") for name in shown[0].params]
    axes += [_axis(name, [getattr(row, name) for row in shown], ".3g") for name in ("explanation", "profit")]
    labels = [axis.label for axis in axes]
    heights = _scaled([row.profit for row in shown])
    traces = [
        {
            "type": "scatter", "mode": "lines", "x": labels, "y": [axis.height[i] for axis in axes],
            "line": {"color": _shade(heights[i]), "width": 1 + heights[i]},
            "name": row.individual, "text": [axis.told[i] for axis in axes],
            "hovertemplate": "%{x} %{text}<extra>" + row.individual + "</extra>",
        }
        for i, row in enumerate(shown)
    ]  # fmt: skip
    figure = _figure(traces, "Genes and parameters")
    marks = [(axis.label, y, told) for axis in axes for y, told in ((0.0, axis.low), (1.0, axis.high))]
    figure["layout"] |= {
        "showlegend": False,
        "yaxis": {"visible": False, "range": [-0.12, 1.12]},
        "xaxis": {"tickangle": -35, "showgrid": True, "gridcolor": GRID, "automargin": True},
        "annotations": [
            {
                "x": x, "y": y, "text": told, "showarrow": False, "yshift": 10 if y else -10,
                "font": {"size": 10},
            }
            for x, y, told in marks
        ],
    }  # fmt: skip
    return figure


def lineage_figure(members: Sequence[Row]) -> Figure:
    """Who descends from whom: generations from left to right, the higher, the more it earns; the front in colour."""
    places = {row.key: (row.generation, row.profit) for row in members}
    lines_x: list[float | None] = []
    lines_y: list[float | None] = []
    for row in members:
        for parent in row.parents:
            if parent in places:
                lines_x += [places[parent][0], row.generation, None]
                lines_y += [places[parent][1], row.profit, None]
    edges = {
        "type": "scatter", "mode": "lines", "x": lines_x, "y": lines_y, "name": "descent",
        "line": {"color": FAINT, "width": 1}, "hoverinfo": "skip",
    }  # fmt: skip
    kept = {members[i].key for i in front([(row.profit, row.explanation) for row in members])}
    points = {
        "type": "scatter", "mode": "markers", "name": "members",
        "hovertemplate": "%{text}<br>profit %{y:.3f}<extra></extra>",
        "x": [row.generation for row in members],
        "y": [row.profit for row in members],
        "text": [_hover(row) for row in members],
        "marker": {"color": [ACCENT if row.key in kept else INK for row in members], "size": 8},
    }  # fmt: skip
    figure = _figure([edges, points], "Lineage", x="generation", y="profit (risk-adjusted)")
    figure["layout"]["xaxis"] |= {
        "dtick": max(1, (max((row.generation for row in members), default=0)) // 12),
        "tick0": 0,
    }
    figure["layout"]["showlegend"] = False
    return figure


def progress_figure(lines: Sequence[Line], search: str = "") -> Figure:
    """Hypervolume of the front against environment steps, a point per generation."""
    named = [line.payload["search"] for line in lines if line.kind == "search"]
    search = search or (named[-1] if named else "")
    closed = [
        line.payload for line in lines if line.kind == "generation" and line.payload["search"] == search
    ]
    trace = {
        "type": "scatter", "mode": "lines+markers", "name": "hypervolume",
        "x": [payload["env_steps"] for payload in closed],
        "y": [payload["hypervolume"] for payload in closed],
        "line": {"color": ACCENT},
    }  # fmt: skip
    return _figure(
        [trace],
        "Progress (it falls where a repetition shows that a result was luck)",
        x="environment steps",
        y="hypervolume",
    )


def views(lines: Sequence[Line]) -> dict[str, Any]:
    """All of it for a report: `figures` by name, and the `leaderboard`."""
    members = rows(lines)
    return {
        "figures": {
            "front": front_figure(members),
            "progress": progress_figure(lines),
            "parallel": parallel_figure(members),
            "lineage": lineage_figure(members),
        },
        "leaderboard": leaderboard(members),
    }


def _folded(row: Row, again: Sequence[tuple[float, float]]) -> Row:
    if not again:
        return row
    points = [(row.profit, row.explanation), *again]
    plain = {name: getattr(row, name) for name in Row.__dataclass_fields__}
    plain["profit"] = sum(p for p, _ in points) / len(points)
    plain["explanation"] = sum(e for _, e in points) / len(points)
    plain["n_evaluations"] = len(points)
    return Row(**plain)


@dataclass(frozen=True, slots=True)
class _Axis:
    label: str
    height: list[float]
    """in [0, 1]"""
    told: list[str]
    low: str
    high: str


def _axis(name: str, values: Sequence[Any], digits: str = "g") -> _Axis:
    label = name.replace("_", " ")
    if name == "questions":
        told, plain = [str(len(value)) for value in values], [float(len(value)) for value in values]
    elif isinstance(values[0], str):
        words = sorted(set(values))
        told, plain = list(values), [float(words.index(value)) for value in values]
    else:
        told, plain = [format(value, digits) for value in values], [float(value) for value in values]
        if min(plain) > 0 and max(plain) / min(plain) > 20:
            plain = [math.log10(value) for value in plain]
    low, high = (told[plain.index(end)] for end in (min(plain), max(plain)))
    return _Axis(label, _scaled(plain), told, low, high if high != low else "")


def _scaled(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 0.0 for value in values]


def _shade(height: float) -> str:
    """From faint to accent."""
    ends = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (FAINT, ACCENT)]
    return "rgb(" + ",".join(str(round(a + (b - a) * height)) for a, b in zip(*ends)) + ")"


def _scatter(members: Sequence[Row], colour: str, name: str, mode: str) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": mode, "name": name,
        "x": [row.explanation for row in members],
        "y": [row.profit for row in members],
        "text": [_hover(row) for row in members],
        "hovertemplate": "%{text}<br>profit %{y:.3f}, explanation %{x:.3f}<extra></extra>",
        "marker": {"color": colour, "size": 9},
        "line": {"color": colour, "shape": "vh"},
    }  # fmt: skip


def _hover(row: Row) -> str:
    return f"{row.individual}, ledger line {row.line}<br>{row.genome['algorithm']}<br>{' → '.join(row.genome['questions'])}"


def _figure(data: list[dict[str, Any]], title: str, x: str = "", y: str = "") -> Figure:
    layout = {
        "title": {"text": title, "font": {"size": 15}, "x": 0.01},
        "font": {"color": GREY, "family": "system-ui, sans-serif"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "height": 420,
        "margin": {"l": 60, "r": 30, "t": 50, "b": 50},
        "legend": {"orientation": "h", "y": 1.08, "x": 1, "xanchor": "right"},
        "hoverlabel": {"align": "left"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": ACCENT},
        "xaxis": {"title": {"text": x}, "gridcolor": GRID, "zeroline": False, "automargin": True},
        "yaxis": {"title": {"text": y}, "gridcolor": GRID, "zeroline": False, "automargin": True},
    }
    return {"data": data, "layout": layout}
