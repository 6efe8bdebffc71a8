"""One self-contained page that tells a run. Knows a Story; fetches nothing, so it opens anywhere, for years."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from decot import clock
from decot.report.dress import SCRIPT, STYLE
from decot.report.figures import equity_figure, front_figure, thoughts_figure
from decot.report.story import Act, Story, Thought

VERDICTS = {
    "promoted": ("good", "Promoted"),
    "refused": ("bad", "Refused"),
    "insufficient_evidence": ("wait", "Insufficient evidence"),
}
_MOST_SENTENCES = 40
_CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "displayModeBar": "hover",
    "modeBarButtonsToRemove": ["select2d", "lasso2d"],
}
"""of every plot: its buttons only when it is pointed at, and none that does nothing here"""


def write_report(story: Story, path: Path) -> Path:
    """Write the page beside the run, whole or not at all, and say where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(page(story), encoding="utf-8")
    os.replace(draft, path)
    return path


def page(story: Story) -> str:
    """The whole page as text."""
    kind, said = VERDICTS[story.verdict]
    parts = [
        f'<p class="soft">DECoT · {escape(story.run_id)}</p><h1>{escape(story.title)}</h1>',
        f'<div class="verdict {kind}"><b>{said}</b>{escape(story.lead)}</div>',
        '<nav><a href="#gate">gate</a><a href="#acts">account</a><a href="#thoughts">thoughts</a>'
        '<a href="#front">search</a><a href="#proof">heads and words</a><a href="#data">data</a></nav>',
        f'<h2 id="gate">The gate</h2><div class="scroll">{story.gate_html}</div>',
        '<h2 id="acts">The account</h2>',
        *(_act(act) for act in story.acts),
        '<h2 id="thoughts">What it thought, along the price</h2>',
        '<p class="soft">Each mark is a change of position; the sentence is not a comment on the decision, it is the '
        "decision: the policy sees these words and the position, and nothing else. "
        '<button type="button" id="say" class="plain">English / français</button></p>',
        *(_thoughts(act) for act in story.acts),
        '<h2 id="front">The search</h2>',
        _search(story),
        "<h3>The finalist, trained again from scratch</h3>",
        table(story.seeds, "seeds"),
        '<h2 id="proof">Heads and words</h2>',
        table(story.heads, "heads"),
        table(story.words, "words"),
        *(_further(figure) for figure in story.figures),
        '<h2 id="data">Data</h2>',
        table(story.tables, "tables"),
        table([{"what": key, "value": value} for key, value in story.facts.items()], "facts"),
        "<h3>Said plainly</h3>",
        '<ul class="caveats">' + "".join(f"<li>{escape(item)}</li>" for item in story.caveats) + "</ul>",
        f"<h3>To repeat it</h3><pre>{escape(story.command)}</pre>",
    ]
    return whole(f"{said} · {story.title}", "".join(parts))


def whole(title: str, body: str) -> str:
    """A page that fetches nothing: style, plotting code, theme and anchors inside."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f'<script>{get_plotlyjs()}</script></head><body><button id="theme" type="button" '
        f'aria-label="light or dark">light / dark</button><main>{body}</main><script>{SCRIPT}</script></body></html>'
    )


def _act(act: Act) -> str:
    return f"<h3>{escape(act.name)}</h3>{plot(equity_figure(act))}"


def _thoughts(act: Act) -> str:
    shown = act.thoughts[:_MOST_SENTENCES]
    rows = "".join(
        f'<tr id="said-{anchor(act, thought)}"><td>{clock.iso(thought.t_ms)[11:19]}</td>'
        f'<td class="n"><a href="#row-{anchor(act, thought)}">{thought.row}</a></td><td class="n">{thought.price:,.1f}</td>'
        f"<td>{escape(thought.action)}</td>"
        f'<td><a class="said" href="#row-{anchor(act, thought)}"><span lang="en">{escape(thought.sentence)}</span>'
        f'<span lang="fr">{escape(thought.sentence_fr)}</span></a></td>'
        f'<td class="n">{"" if thought.pnl_bps is None else f"{thought.pnl_bps:+.1f}"}</td></tr>'
        for thought in shown
    )
    more = len(act.thoughts) - len(shown)
    rest = f'<p class="soft">and {more} more, in thoughts.jsonl beside this page</p>' if more > 0 else ""
    kinds = {"UTC": "", "row": 0, "price": 0.0, "does": "", "because": "", "bps": 0.0}
    head = f"<tr>{''.join(_head(name, like) for name, like in kinds.items())}</tr>"
    picture = plot(thoughts_figure(act)) if act.thoughts else "<p>It never changed its position.</p>"
    table_of = f'<div class="scroll tall"><table>{head}{rows}</table></div>' if shown else ""
    return f"<h3>{escape(act.name)}</h3>{picture}{table_of}{rest}{_seen(act, shown)}"


def _seen(act: Act, shown: list[Thought]) -> str:
    """The rows of the features table that the sentences speak of."""
    if not shown:
        return ""
    names = list(dict.fromkeys(name for thought in shown for name in thought.seen))
    head = _head("row", 0) + _head("UTC", "") + "".join(_head(name, 0.0) for name in names)
    body = "".join(
        f'<tr id="row-{anchor(act, thought)}"><td class="n"><a href="#said-{anchor(act, thought)}">{thought.row}</a></td>'
        f"<td>{clock.iso(thought.t_ms)[11:19]}</td>{''.join(_cell(thought.seen.get(name)) for name in names)}</tr>"
        for thought in shown
    )
    return (
        f"<details><summary>the rows these sentences speak of, {escape(act.name)}</summary>"
        f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div></details>'
    )


def anchor(act: Act, thought: Thought) -> str:
    """What a sentence and its row are called in an address."""
    return f"{act.name.replace(' ', '-')}-{thought.row}"


def _search(story: Story) -> str:
    if not story.search:
        drawn = plot(front_figure(story.front)) if story.front else "<p>No individual finished.</p>"
        return drawn + table(story.front, "individuals")
    return search_views(story.search)


def search_views(views: Mapping[str, Any]) -> str:
    """Leaderboard, front, lineage, progress and parallel axes of a search, as a fragment."""
    said = "The best by profit; whoever is on the front is bettered by nobody in both. Every line is in the ledger."
    leaders = table(views["leaderboard"], "individuals that were trained in full")
    drawn = "".join(plot(go.Figure(figure)) for figure in views["figures"].values() if figure["data"])
    return f'<p class="soft">{said}</p>{leaders}{drawn}'


def search_page(views: Mapping[str, Any], title: str, facts: Mapping[str, Any]) -> str:
    """A search alone as a self-contained page."""
    told = table([{"what": key, "value": value} for key, value in facts.items()], "facts")
    return whole(title, f"<h1>{escape(title)}</h1>{told}<h2>The search</h2>{search_views(views)}")


def _further(figure: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in figure.items() if key != "caption"}
    return f"<h3>{escape(str(figure.get('caption', '')))}</h3>{plot(go.Figure(plain))}"


def plot(figure: go.Figure) -> str:
    """A figure as a fragment; the page around it brings plotly."""
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=_CONFIG))


def table(rows: Iterable[Mapping[str, Any]], what: str) -> str:
    """Rows of one kind as a table; its first row names the columns."""
    listed = list(rows)
    if not listed:
        return f'<p class="soft">no {escape(what)}</p>'
    names = list(listed[0])
    head = "".join(_head(name, listed[0].get(name)) for name in names)
    body = "".join("<tr>" + "".join(_cell(row.get(name)) for name in names) + "</tr>" for row in listed)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _head(name: str, like: Any) -> str:
    """A column's name, set as its values are."""
    is_number = isinstance(like, int | float) and not isinstance(like, bool)
    return f"<th{' class=n' if is_number else ''}>{escape(name.replace('_', ' '))}</th>"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int):
        return f'<td class="n">{value:,}</td>'
    if isinstance(value, float):
        return f'<td class="n">{value:{",.1f" if abs(value) >= 1_000 else ",.4g"}}</td>'
    return f"<td>{escape('' if value is None else str(value))}</td>"
