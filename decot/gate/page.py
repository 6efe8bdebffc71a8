"""The gate card as one page of HTML: verdict on top, failed rules first; light, dark, print. Knows verdicts, judges nothing.

No scripts, nothing fetched; every text is escaped. `fragment` goes into a report, `page` stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from decot.gate.calibration import power_picture
from decot.gate.figures import Evidence, Rung, Stress
from decot.gate.verdict import Rule, Verdict

Number = Callable[[float | str], str]


def fragment(verdict: Verdict, evidence: Evidence | None, told: Mapping[str, str], number: Number) -> str:
    """The card without a page around it; `told` holds its headline and what is known of the gate."""
    failed = [rule for rule in verdict.rules if not rule.passed]
    passed = [rule for rule in verdict.rules if rule.passed]
    parts = [f"<h2>{escape(told['headline'])}</h2>"]
    if evidence is not None and evidence.notes:
        parts.append(_facts(evidence.notes))
    if not failed:
        parts.append("".join(f"<p>{escape(reason)}</p>" for reason in verdict.reasons))
    else:
        parts.append(f"<h3>What stopped it ({len(failed)})</h3>{_rules(failed, number)}")
    if evidence is not None and (evidence.stress or evidence.ladder):
        parts.append(f'<div class="side">{_stress(evidence.stress)}{_ladder(evidence.ladder)}</div>')
    if passed:
        parts.append(f"<h3>What holds ({len(passed)})</h3>{_rules(passed, number)}")
    parts.append(f'<p class="known">{escape(told["known"])}</p>')
    return f'<section class="gate {verdict.verdict}"><style>{_STYLE}</style>{"".join(parts)}</section>'


def page(body: str, title: str, calibration: Mapping[str, Any] | None) -> str:
    """The card as a document of its own, with the power curve of the gate beneath it."""
    curve = ""
    if calibration and calibration.get("power", {}).get("curve"):
        curve = f'<figure class="power">{power_picture(calibration, width=560, height=220)}</figure>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{_PAGE}</style></head><body>{body}{curve}</body></html>\n"
    )


def _facts(notes: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(told)}</dd>" for name, told in sorted(notes.items()))
    return f"<dl>{rows}</dl>"


def _rules(rules: Sequence[Rule], number: Number) -> str:
    rows = []
    for rule in rules:
        sign = "pass" if rule.passed else ("FAIL" if rule.refuses else "open")
        rows.append(
            f'<li class="{sign.lower()}"><b>{sign}</b> <code>{escape(rule.name)}</code> '
            f"<i>{number(rule.figure)}</i> <small>bound {escape(number(rule.bound))}</small> {escape(rule.why)}</li>"
        )
    return f"<ul>{''.join(rows)}</ul>"


def _stress(stress: Sequence[Stress]) -> str:
    if not stress:
        return ""
    latencies = sorted({s.latency_x for s in stress})
    head = "".join(f"<th>latency ×{x:g}</th>" for x in latencies)
    rows = []
    for fee in sorted({s.fee_x for s in stress}):
        cells = {s.latency_x: s for s in stress if s.fee_x == fee}
        told = "".join(_cell(cells[x].net_bps) for x in latencies)
        rows.append(f"<tr><th>fees ×{fee:g}</th>{told}</tr>")
    return (
        "<table><caption>the same decisions, net bps of capital</caption>"
        f"<tr><th></th>{head}</tr>{''.join(rows)}</table>"
    )


def _cell(net_bps: float) -> str:
    side = "up" if net_bps > 0 else ("down" if net_bps < 0 else "")
    return f'<td class="{side}">{net_bps:+.1f}</td>'


def _ladder(ladder: Sequence[Rung]) -> str:
    if not ladder:
        return ""
    rows = "".join(
        f"<tr><th>{escape(rung.name)}</th>{_cell(rung.net_bps)}<td>{_p(rung.p_agent)}</td><td>{_p(rung.p_search)}</td></tr>"
        for rung in ladder
    )
    return (
        "<table><caption>beside simple rules (shown, not judged): p that the agent is no better on the other day, "
        "and that no trial of the search is on validation (SPA)</caption>"
        f"<tr><th></th><th>net bps</th><th>p agent</th><th>p search</th></tr>{rows}</table>"
    )


def _p(p: float) -> str:
    return "–" if math.isnan(p) else f"{p:.3f}"


_STYLE = (
    ".gate{font:14px/1.4 system-ui,sans-serif;max-width:80rem}"
    ".gate h2{margin:0 0 .6rem;padding:.5rem .8rem;border-radius:.4rem;color:#fff;background:#555;font-size:1.25rem}"
    ".gate.promoted h2{background:#17692f}.gate.refused h2{background:#9b1c1c}"
    ".gate.insufficient_evidence h2{background:#8a5a00}"
    ".gate h3{margin:.7rem 0 .3rem;font-size:1rem}.gate p{margin:.3rem 0}"
    ".gate dl{display:grid;grid-template-columns:max-content 1fr;gap:0 .8rem;margin:.4rem 0}"
    ".gate dt{opacity:.7}.gate dd{margin:0}"
    ".gate ul{columns:2 24rem;column-gap:1.4rem;list-style:none;margin:0;padding:0}"
    ".gate li{break-inside:avoid;padding:.1rem 0;border-bottom:1px solid #8883;font-size:.86em}"
    ".gate li b{display:inline-block;min-width:2.4em}.gate li.pass b{opacity:.6;font-weight:400}"
    ".gate li.fail b{color:#d33}.gate li.open b{color:#b70}.gate li i{font-style:normal;font-weight:600}"
    ".gate small{opacity:.7}.gate .side{display:flex;flex-wrap:wrap;align-items:flex-start;gap:.4rem 2rem;margin:.5rem 0}"
    ".gate table{border-collapse:collapse;font-size:.9em;width:auto}"
    ".gate caption{text-align:left;opacity:.8;max-width:34rem}"
    ".gate td,.gate th{padding:.1rem .6rem;text-align:right;border-bottom:1px solid #8883;font-weight:400}"
    ".gate th:first-child{text-align:left;padding-left:0}"
    ".gate td.up{color:#2a9d4a}.gate td.down{color:#d33}.gate .known{opacity:.85}"
    "@media print{.gate{font-size:7.4pt;line-height:1.22;max-width:none}.gate ul{columns:2;column-gap:5mm}"
    ".gate li{font-size:6.3pt;padding:0}.gate h2{font-size:10pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}"
    ".gate h3{font-size:8pt;margin:1.5mm 0 .5mm}.gate dl,.gate .side{margin:1mm 0}}"
)
_PAGE = (
    ":root{color-scheme:light dark}body{margin:1rem auto;padding:0 1rem;max-width:80rem;background:Canvas;color:CanvasText}"
    ".power{margin:.4rem 0;max-width:32rem}.power svg{width:100%;height:auto}"
    "@media print{@page{size:A4;margin:9mm}body{margin:0;padding:0;max-width:none}.power{max-width:78mm}}"
)
