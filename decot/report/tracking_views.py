"""A search for those without a W&B account: leaderboard, front, parallel coordinates, lineage and progress, as plotly
figure dicts. Knows ledger lines; draws nothing itself and needs no plotly.

Every figure is `{"data": [...], "layout": {...}}`, ready for `plotly.io.to_html` or for the JavaScript library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from decot.evolve.ledger import Line
from decot.evolve.pareto import front

Figure = dict[str, Any]

INK, FAINT, ACCENT = "#24303c", "#b6c2cd", "#c8553d"


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


def leaderboard(members: Sequence[Row], n: int = 20) -> list[dict[str, Any]]:
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
    """Genes and parameters of every member as parallel axes, coloured by profit."""
    if not members:
        return _figure([], "Genes and parameters")
    dimensions = [_axis(name, [row.genome[name] for row in members]) for name in members[0].genome]
    dimensions += [_axis(name, [row.params[name] for row in members]) for name in members[0].params]
    dimensions.append(_axis("profit", [row.profit for row in members]))
    line = {"color": [row.profit for row in members], "colorscale": "Viridis", "showscale": True}
    return _figure([{"type": "parcoords", "line": line, "dimensions": dimensions}], "Genes and parameters")


def lineage_figure(members: Sequence[Row]) -> Figure:
    """Who descends from whom: generations from left to right, larger points earn more, the front in colour."""
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
        "x": [row.generation for row in members],
        "y": [row.profit for row in members],
        "text": [_hover(row) for row in members],
        "marker": {"color": [ACCENT if row.key in kept else INK for row in members], "size": 8},
    }  # fmt: skip
    return _figure([edges, points], "Lineage", x="generation", y="profit (risk-adjusted)")


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
    return _figure([trace], "Progress", x="environment steps", y="hypervolume")


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


def _axis(name: str, values: Sequence[Any]) -> dict[str, Any]:
    if name == "questions":
        return {"label": "questions", "values": [len(value) for value in values]}
    if values and isinstance(values[0], str):
        words = sorted(set(values))
        return {
            "label": name,
            "values": [words.index(value) for value in values],
            "tickvals": list(range(len(words))),
            "ticktext": words,
        }
    return {"label": name, "values": list(values)}


def _scatter(members: Sequence[Row], colour: str, name: str, mode: str) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": mode, "name": name,
        "x": [row.explanation for row in members],
        "y": [row.profit for row in members],
        "text": [_hover(row) for row in members],
        "marker": {"color": colour, "size": 8},
        "line": {"color": colour, "shape": "vh"},
    }  # fmt: skip


def _hover(row: Row) -> str:
    return f"{row.individual}, ledger line {row.line}<br>{row.genome['algorithm']}<br>{' → '.join(row.genome['questions'])}"


def _figure(data: list[dict[str, Any]], title: str, x: str = "", y: str = "") -> Figure:
    layout = {
        "title": {"text": title},
        "font": {"color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": {"title": {"text": x}, "gridcolor": "#e8edf1"},
        "yaxis": {"title": {"text": y}, "gridcolor": "#e8edf1"},
    }
    return {"data": data, "layout": layout}
