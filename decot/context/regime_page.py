"""One self-contained page with the regime picture and its figures. Knows a plotly figure and a summary; fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
body{margin:0 auto;max-width:1080px;padding:24px 20px 60px;background:#fff;color:#1b1f24;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}h1{font-size:1.4rem}p{color:#5b6570}
table{border-collapse:collapse;font-size:.9rem}th,td{padding:5px 12px;border-bottom:1px solid #d9dee3;text-align:right}
th{color:#5b6570;font-weight:600}.flag{border-left:6px solid #a84300;padding-left:12px;color:inherit}
:root{color-scheme:light dark}@media (prefers-color-scheme:dark){body{background:#15181c;color:#e6e9ec}
p,th{color:#9aa4ae}th,td{border-color:#2c333a}}
@media (hover:hover){.modebar{opacity:0}.js-plotly-plot:hover .modebar{opacity:1}}
@media print{:root{color-scheme:light}body{background:#fff;color:#1b1f24;max-width:none}.modebar{display:none}}
"""


def regime_page(figure: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The page as text: price by regime, transitions, dwell times; plotly travels inside it.

    Args:
        figure: as of `regime_picture`.
        summary: as of `regime_summary`, with `alignment` when there was a model before.
    """
    import plotly.graph_objects as go

    drawn = go.Figure(dict(figure)).to_html(
        full_html=False, include_plotlyjs=True, config={"displaylogo": False}, div_id="regimes"
    )
    said = (
        f"{summary['n_states']} states, {summary['switches_per_hour']:.1f} switches an hour, certain to "
        f"{summary['certainty']:.0%} on average. Every bar is coloured by what was known at its end."
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Regimes</title>'
        f"<style>{_STYLE}</style></head><body><h1>Regimes</h1><p>{escape(said)}</p>"
        f"{drawn}{_table(summary)}{alignment_html(summary)}<p>model {escape(str(summary['sha256'])[:16])}</p></body></html>"
    )


def alignment_html(summary: Mapping[str, Any]) -> str:
    """What the refit changed beside the model before, as a fragment: cost, flag, and the match state by state.

    Empty for the first model of its symbol. Plain tags only (`p`, `table`), so that any page can carry it.
    """
    told = summary.get("alignment")
    if not told:
        return ""
    before = escape(str(told.get("context") or told.get("previous", ""))[:16])
    if told.get("cost") is None:
        return (
            f'<p class="flag">Beside the model before ({before}): {escape("; ".join(told["changed"]))}.</p>'
        )
    changed = "; ".join(told["changed"])
    said = f"the meaning of a label has changed: {changed}" if changed else "every label means what it meant"
    kind = ' class="flag"' if changed else ""
    pairs = "".join(
        f"<tr><td>{k}</td><td>{state}</td><td>{cost:.3f}</td></tr>"
        for k, (state, cost) in enumerate(zip(told["order"], told["costs"], strict=False))
    )
    return (
        f"<p{kind}>Beside the model before ({before}): {escape(said)}. The dearest match costs {told['cost']:.3f} of "
        f"its spreads; above {told['limit']:g} a meaning counts as changed.</p>"
        f"<table><tr><th>was</th><th>is now</th><th>cost, spreads</th></tr>{pairs}</table>"
    )


def _table(summary: Mapping[str, Any]) -> str:
    head = "".join(
        f"<th>{name}</th>"
        for name in ("regime", "share of bars", "volatility, bps a bar", "stayed, s", "expected, s")
    )
    rows = "".join(
        f"<tr><td>{row['state']}</td><td>{row['share']:.1%}</td><td>{row['volatility']:.4g}</td>"
        f"<td>{'' if row['seen_dwell_s'] is None else format(row['seen_dwell_s'], '.1f')}</td>"
        f"<td>{row['expected_dwell_s']:.1f}</td></tr>"
        for row in summary["states"]
    )
    return f"<table><tr>{head}</tr>{rows}</table>"
