"""A story's pictures, in colours that the colour-blind can tell apart. Knows a Story and plotly, nothing of trading."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from decot.report.story import Act, Curve

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#7f7f7f"
MOST_POINTS = 3_000
_ARROWS = {"buy": ("triangle-up", GREEN), "sell": ("triangle-down", RED), "close": ("x", BLUE)}


def thin(curve: Curve) -> Curve:
    """At most MOST_POINTS points, the last one always kept; what is drawn is never finer than a screen."""
    stride = max(1, -(-len(curve.t_ms) // MOST_POINTS))
    keep = list(range(0, len(curve.t_ms), stride))
    if keep and keep[-1] != len(curve.t_ms) - 1:
        keep.append(len(curve.t_ms) - 1)
    return Curve(name=curve.name, t_ms=[curve.t_ms[i] for i in keep], value=[curve.value[i] for i in keep])


def equity_figure(act: Act) -> go.Figure:
    """The account and its drawdown, beside what doing nothing clever would have made."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.04)
    shades = [ORANGE, GREY, RED]
    for shade, curve in zip(shades, act.baselines):
        _line(figure, curve, shade, 1, dash="dot")
    _line(figure, act.equity, BLUE, 1)
    _line(figure, drawdown(act.equity), RED, 2, fill="tozeroy")
    figure.update_yaxes(title_text="account, USDT", row=1, col=1)
    figure.update_yaxes(title_text="below peak", row=2, col=1)
    return dressed(figure, 460)


def drawdown(equity: Curve) -> Curve:
    """How far below its own peak the account stands, USDT (≤ 0)."""
    peak, found = float("-inf"), []
    for value in equity.value:
        peak = max(peak, value)
        found.append(value - peak)
    return Curve(name="drawdown", t_ms=equity.t_ms, value=found)


def thoughts_figure(act: Act) -> go.Figure:
    """The price, and at each change of position the sentence that made it (shown when pointed at)."""
    figure = go.Figure()
    price = thin(act.price)
    figure.add_trace(
        go.Scatter(x=times(price.t_ms), y=price.value, name="mid", line={"color": GREY, "width": 1})
    )
    for action, (symbol, colour) in _ARROWS.items():
        said = [thought for thought in act.thoughts if thought.action == action]
        if not said:
            continue
        figure.add_trace(
            go.Scatter(
                x=times([thought.t_ms for thought in said]),
                y=[thought.price for thought in said],
                mode="markers",
                name=action,
                marker={"symbol": symbol, "color": colour, "size": 9},
                text=[_wrapped(thought.sentence) for thought in said],
                customdata=[f"#said-{act.name.replace(' ', '-')}-{thought.row}" for thought in said],
                hovertemplate="%{x|%H:%M:%S} · %{y:,.1f}<br>%{text}<extra></extra>",
            )
        )
    figure.update_yaxes(title_text="price, USDT")
    return dressed(figure, 420)


def front_figure(front: list[dict[str, Any]]) -> go.Figure:
    """Every individual by what it earned and how well it explains itself; the Pareto front is drawn through."""
    figure = go.Figure()
    for on_front, colour, name in ((False, GREY, "individual"), (True, BLUE, "Pareto front")):
        rows = sorted(
            (row for row in front if bool(row.get("is_front")) is on_front), key=lambda row: row["profit"]
        )
        if not rows:
            continue
        figure.add_trace(
            go.Scatter(
                x=[row["profit"] for row in rows],
                y=[row["explanation"] for row in rows],
                mode="lines+markers" if on_front else "markers",
                name=name,
                marker={"color": colour, "size": 11 if on_front else 8},
                line={"color": colour, "dash": "dot"},
                text=[str(row.get("label", "")) for row in rows],
                hovertemplate="%{text}<br>profit %{x:.3f}<br>explanation %{y:.3f}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="risk-adjusted profit on validation")
    figure.update_yaxes(title_text="explanation quality")
    return dressed(figure, 380)


def _line(figure: go.Figure, curve: Curve, colour: str, row: int, **more: Any) -> None:
    seen = thin(curve)
    dash = more.pop("dash", "solid")
    figure.add_trace(
        go.Scatter(
            x=times(seen.t_ms),
            y=seen.value,
            name=seen.name,
            line={"color": colour, "width": 1.6, "dash": dash},
            **more,
        ),
        row=row,
        col=1,
    )


def times(t_ms: list[int]) -> list[str]:
    """Moments as plotly reads them."""
    from decot import clock

    return [clock.iso(moment) for moment in t_ms]


def _wrapped(text: str, width: int = 70) -> str:
    import textwrap

    return "<br>".join(textwrap.wrap(text, width))


def dressed(figure: go.Figure, height: int) -> go.Figure:
    """The house's clothes: no paper of its own, so that it stands on light, dark and printed pages alike."""
    figure.update_layout(
        height=height,
        margin={"l": 60, "r": 20, "t": 20, "b": 40},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#808080", "family": "system-ui, sans-serif"},
        legend={"orientation": "h", "y": 1.08},
        hoverlabel={"align": "left"},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY},
    )
    figure.update_xaxes(gridcolor="rgba(128,128,128,0.25)", zeroline=False)
    figure.update_yaxes(gridcolor="rgba(128,128,128,0.25)", zeroline=False)
    return figure
