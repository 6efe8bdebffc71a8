"""Two runs beside each other: in a terminal, and as one self-contained page. Knows what `compare` returned, no run."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import plotly.graph_objects as go

from decot.report.figures import BLUE, RED, dressed, times
from decot.report.html import VERDICTS, plot, table, whole

_DASHES = ("solid", "dash")


def terminal(found: Mapping[str, Any]) -> str:
    """What differs, as lines of text; what is the same is only counted."""
    left, right = found["runs"]
    lines = [f"{'':<34} {left['run']:<28} {right['run']}"]
    lines += [
        f"{key.replace('_', ' '):<34} {_said(left[key]):<28} {_said(right[key])}"
        for key in left
        if key not in ("run", "report")
    ]
    for part in ("data", "choices", "genome", "params", "rules"):
        rows = found[part]
        apart = [row for row in rows if row["differs"]]
        same = len(rows) - len(apart)
        lines += ["", f"{part}: {len(apart)} differ" + (f", {same} the same" if same else "")]
        lines += [f"  {row['what']:<32} {_side(row, 'left'):<28} {_side(row, 'right')}" for row in apart]
    return "\n".join(lines)


def page(found: Mapping[str, Any]) -> str:
    """The same as a page, with every row and the accounts drawn."""
    left, right = found["runs"]
    heads = "".join(
        f'<div class="verdict {VERDICTS[run["verdict"]][0]}"><b>{VERDICTS[run["verdict"]][1]}</b>{side}: '
        f"{escape(run['run'])}, {run['rules_held']} of {run['rules']} rules hold</div>"
        for side, run in (("left", left), ("right", right))
    )
    told = [
        key for key in left if key not in ("report", "run", "verdict", "rules", "rules_held")
    ]  # the boxes say those
    facts = [
        {"what": key.replace("_", " "), "left": _said(left[key]), "right": _said(right[key])} for key in told
    ]
    titles = {
        "data": "The data",
        "choices": "Choices that differ",
        "genome": "The genome of the finalist",
        "params": "Its hyper-parameters",
        "rules": "The gate, rule by rule",
    }
    tables = "".join(
        f'<h2 id="{part}">{title}</h2>{table(found[part], "difference")}' for part, title in titles.items()
    )
    body = (
        f'<p class="soft">DECoT · two runs</p><h1>{escape(left["run"])} and {escape(right["run"])}</h1>'
        f'<div class="pair">{heads}</div>{table(facts, "facts") if facts else ""}'
        f'<h2 id="accounts">The accounts</h2>{_accounts(found["curves"])}{tables}'
    )
    return whole(f"{left['run']} and {right['run']}", body)


def _accounts(curves: list[dict[str, Any]]) -> str:
    if not curves:
        return '<p class="soft">these runs kept no accounts (runs do since acts.json)</p>'
    return "".join(f"<h3>{escape(one['stretch'])}</h3>{plot(_drawn(one['accounts']))}" for one in curves)


def _drawn(accounts: list[dict[str, Any]]) -> go.Figure:
    figure = go.Figure()
    for colour, dash, one in zip((BLUE, RED), _DASHES, accounts):
        figure.add_trace(
            go.Scatter(
                x=times(one["t_ms"]),
                y=one["equity_usdt"],
                name=one["run"],
                line={"color": colour, "dash": dash},
            )
        )
    figure.update_yaxes(title_text="account, USDT")
    return dressed(figure, 360)


def _side(row: Mapping[str, Any], side: str) -> str:
    held = row.get(f"{side}_held")
    return _said(row[side]) + ("" if held is None else " holds" if held else " fails")


def _said(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
