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
from decot.report.figures import equity_figure, front_figure, thoughts_figure
from decot.report.story import Act, Story

_VERDICTS = {
    "promoted": ("good", "Promoted"),
    "refused": ("bad", "Refused"),
    "insufficient_evidence": ("wait", "Insufficient evidence"),
}
_MOST_SENTENCES = 40

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#5b6570;--line:#d9dee3;--card:#f6f8fa;
--good:#00694b;--bad:#a84300;--wait:#7a5600;--link:#0072B2}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--paper:#15181c;--soft:#9aa4ae;--line:#2c333a;--card:#1d2227;
--good:#3cc79a;--bad:#ff9a5a;--wait:#e6b450;--link:#66b8ea}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 20px 80px}h1{font-size:1.5rem;margin:.2em 0}
h2{font-size:1.15rem;margin:2.2em 0 .4em;border-bottom:1px solid var(--line);padding-bottom:.2em}
h3{font-size:1rem;margin:1.4em 0 .3em}p.soft,.soft{color:var(--soft)}a{color:var(--link)}
.verdict{border-left:8px solid;border-radius:6px;background:var(--card);padding:14px 18px;margin:14px 0}
.verdict b{font-size:1.6rem;display:block}.good{border-color:var(--good)}.good b{color:var(--good)}
.bad{border-color:var(--bad)}.bad b{color:var(--bad)}.wait{border-color:var(--wait)}.wait b{color:var(--wait)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem;margin:.6em 0}
th,td{padding:5px 9px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{color:var(--soft);font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
tr:target{outline:2px solid var(--link)}code{background:var(--card);padding:1px 5px;border-radius:4px}
pre{background:var(--card);padding:10px 12px;border-radius:6px;overflow-x:auto}
ul.caveats li{margin:.3em 0}nav a{margin-right:14px}
@media print{nav{display:none}main{max-width:none}h2{break-after:avoid}table,.js-plotly-plot{break-inside:avoid}}
"""


def write_report(story: Story, path: Path) -> Path:
    """Write the page beside the run, whole or not at all, and say where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(page(story), encoding="utf-8")
    os.replace(draft, path)
    return path


def page(story: Story) -> str:
    """The whole page as text."""
    kind, said = _VERDICTS[story.verdict]
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
        "decision: the policy sees these words and the position, and nothing else.</p>",
        *(_thoughts(act) for act in story.acts),
        '<h2 id="front">The search</h2>',
        _search(story),
        "<h3>The finalist, trained again from scratch</h3>",
        _table(story.seeds, "seeds"),
        '<h2 id="proof">Heads and words</h2>',
        _table(story.heads, "heads"),
        _table(story.words, "words"),
        *(_further(figure) for figure in story.figures),
        '<h2 id="data">Data</h2>',
        _table(story.tables, "tables"),
        _table([{"what": key, "value": value} for key, value in story.facts.items()], "facts"),
        "<h3>Said plainly</h3>",
        '<ul class="caveats">' + "".join(f"<li>{escape(item)}</li>" for item in story.caveats) + "</ul>",
        f"<h3>To repeat it</h3><pre>{escape(story.command)}</pre>",
    ]
    return _whole(f"{said} · {story.title}", "".join(parts))


def _whole(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body><main>{body}</main></body></html>"
    )


def _act(act: Act) -> str:
    return f"<h3>{escape(act.name)}</h3>{_plot(equity_figure(act))}"


def _thoughts(act: Act) -> str:
    shown = act.thoughts[:_MOST_SENTENCES]
    rows = "".join(
        f'<tr id="row-{escape(act.name)}-{thought.row}"><td>{clock.iso(thought.t_ms)[11:19]}</td>'
        f'<td class="n">{thought.row}</td><td class="n">{thought.price:,.1f}</td><td>{escape(thought.action)}</td>'
        f'<td>{escape(thought.sentence)}<br><span class="soft" lang="fr">{escape(thought.sentence_fr)}</span></td>'
        f'<td class="n">{"" if thought.pnl_bps is None else f"{thought.pnl_bps:+.1f}"}</td></tr>'
        for thought in shown
    )
    more = len(act.thoughts) - len(shown)
    rest = f'<p class="soft">and {more} more, in thoughts.jsonl beside this page</p>' if more > 0 else ""
    head = "<tr><th>UTC</th><th>row</th><th>price</th><th>does</th><th>because</th><th>bps</th></tr>"
    picture = _plot(thoughts_figure(act)) if act.thoughts else "<p>It never changed its position.</p>"
    return f'<h3>{escape(act.name)}</h3>{picture}<div class="scroll"><table>{head}{rows}</table></div>{rest}'


def _search(story: Story) -> str:
    if not story.search:
        plot = _plot(front_figure(story.front)) if story.front else "<p>No individual finished.</p>"
        return plot + _table(story.front, "individuals")
    return search_views(story.search)


def search_views(views: Mapping[str, Any]) -> str:
    """Leaderboard, front, lineage, progress and parallel axes of a search, as a fragment."""
    said = "The best by profit; whoever is on the front is bettered by nobody in both. Every line is in the ledger."
    table = _table(views["leaderboard"], "individuals that were trained in full")
    drawn = "".join(_plot(go.Figure(figure)) for figure in views["figures"].values() if figure["data"])
    return f'<p class="soft">{said}</p>{table}{drawn}'


def search_page(views: Mapping[str, Any], title: str, facts: Mapping[str, Any]) -> str:
    """A search alone as a self-contained page."""
    told = _table([{"what": key, "value": value} for key, value in facts.items()], "facts")
    return _whole(title, f"<h1>{escape(title)}</h1>{told}<h2>The search</h2>{search_views(views)}")


def _further(figure: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in figure.items() if key != "caption"}
    return f"<h3>{escape(str(figure.get('caption', '')))}</h3>{_plot(go.Figure(plain))}"


def _plot(figure: go.Figure) -> str:
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False}))


def _table(rows: Iterable[Mapping[str, Any]], what: str) -> str:
    listed = list(rows)
    if not listed:
        return f'<p class="soft">no {escape(what)}</p>'
    names = list(listed[0])
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names)
    body = "".join("<tr>" + "".join(_cell(row.get(name)) for name in names) + "</tr>" for row in listed)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int):
        return f'<td class="n">{value:,}</td>'
    if isinstance(value, float):
        return f'<td class="n">{value:,.4g}</td>'
    return f"<td>{escape('' if value is None else str(value))}</td>"
