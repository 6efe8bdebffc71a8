"""The gate card: one page, verdict on top, each rule with figure, bound and a sentence. Knows verdicts, judges nothing.

As text for a terminal, markdown for a Prefect artifact, and an HTML fragment for the report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from decot.gate.calibration import stored
from decot.gate.figures import Evidence, Stress
from decot.gate.verdict import Rule, Verdict

TITLES = {
    "promoted": "PROMOTED",
    "refused": "REFUSED",
    "insufficient_evidence": "INSUFFICIENT EVIDENCE",
}


def number(x: float | str) -> str:
    """A figure as a person reads it."""
    if isinstance(x, str):
        return x
    if math.isnan(x):
        return "unknown"
    if math.isinf(x):
        return "none" if x > 0 else "−∞"
    return f"{x:.4g}"


def _sign(rule: Rule) -> str:
    return "pass" if rule.passed else ("FAIL" if rule.refuses else "open")


def _headline(verdict: Verdict) -> str:
    failed = sum(not rule.passed for rule in verdict.rules)
    line = f"{TITLES[verdict.verdict]}: {len(verdict.rules) - failed} of {len(verdict.rules)} rules hold"
    if verdict.trades_needed:
        line += f"; about {verdict.trades_needed} more round trips on unseen data are needed to know"
    return line + "."


def _power_line(calibration: Mapping[str, Any] | None) -> str:
    """What is known about the gate itself; by default from the calibration stored for the house's bounds."""
    calibration = stored() if calibration is None else calibration
    if not calibration:
        return "This gate has no stored calibration; run `decot gate calibrate`."
    false, power = calibration["false_promotion"], calibration["power"]
    return (
        f"This gate promoted {100 * false['rate']:.1f} % of {false['markets']} markets without any edge (at most "
        f"{100 * false['upper95']:.1f} % with 95 % confidence) and finds {power['declared_edge_bps']:g} bps a trade with "
        f"probability {100 * power['at_declared_edge']:.0f} %."
    )


def text_card(
    verdict: Verdict, evidence: Evidence | None = None, calibration: Mapping[str, Any] | None = None
) -> str:
    """The card for a terminal, at most 100 columns before the sentences."""
    lines = [_headline(verdict), ""]
    lines += [f"  - {reason}" for reason in verdict.reasons] + [""]
    width = max(len(rule.name) for rule in verdict.rules)
    for rule in verdict.rules:
        figures = f"{number(rule.figure):>10}  bound {number(rule.bound):<10}"
        lines.append(f"  {_sign(rule)}  {rule.name:<{width}} {figures} {rule.why}")
    if evidence is not None and evidence.stress:
        lines += ["", "  the same decisions, net bps of capital:", *_stress_rows(evidence.stress)]
    if evidence is not None and evidence.notes:
        lines += ["", *(f"  {name}: {told}" for name, told in sorted(evidence.notes.items()))]
    return "\n".join([*lines, "", _power_line(calibration)])


def _stress_rows(stress: Sequence[Stress]) -> list[str]:
    latencies = sorted({s.latency_x for s in stress})
    rows = ["  fees     " + "".join(f"latency ×{x:<8g}" for x in latencies)]
    for fee in sorted({s.fee_x for s in stress}):
        cells = {s.latency_x: s.net_bps for s in stress if s.fee_x == fee}
        rows.append(f"  ×{fee:<8g}" + "".join(f"{cells[x]:<+17.1f}" for x in latencies))
    return rows


def markdown_card(
    verdict: Verdict, evidence: Evidence | None = None, calibration: Mapping[str, Any] | None = None
) -> str:
    """The card as markdown, for a Prefect artifact."""
    lines = [f"## {_headline(verdict)}", ""]
    lines += [f"- {_cell(reason)}" for reason in verdict.reasons]
    lines += ["", "| | rule | figure | bound | why |", "|---|---|---|---|---|"]
    for rule in verdict.rules:
        lines.append(
            f"| {_sign(rule)} | {_cell(rule.name)} | {number(rule.figure)} | {number(rule.bound)} | {_cell(rule.why)} |"
        )
    if evidence is not None and evidence.stress:
        lines += ["", "```", *_stress_rows(evidence.stress), "```"]
    return "\n".join([*lines, "", _power_line(calibration), ""])


def _cell(told: str) -> str:
    return told.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def html_card(
    verdict: Verdict, evidence: Evidence | None = None, calibration: Mapping[str, Any] | None = None
) -> str:
    """The card as an HTML fragment with its own small style, no scripts; every text is escaped."""
    rows = "".join(
        f'<tr class="{_sign(rule).lower()}"><td>{_sign(rule)}</td><td>{escape(rule.name)}</td>'
        f"<td>{number(rule.figure)}</td><td>{escape(number(rule.bound))}</td><td>{escape(rule.why)}</td></tr>"
        for rule in verdict.rules
    )
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in verdict.reasons)
    stress = ""
    if evidence is not None and evidence.stress:
        stress = f"<pre>{escape(chr(10).join(_stress_rows(evidence.stress)))}</pre>"
    return (
        f'<section class="gate {verdict.verdict}"><style>{_STYLE}</style><h2>{escape(_headline(verdict))}</h2>'
        f"<ul>{reasons}</ul><table><thead><tr><th></th><th>rule</th><th>figure</th><th>bound</th><th>why</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>{stress}<p>{escape(_power_line(calibration))}</p></section>"
    )


_STYLE = (
    ".gate{font:15px/1.45 system-ui,sans-serif;max-width:72rem}.gate table{border-collapse:collapse;width:100%}"
    ".gate td,.gate th{padding:.25rem .6rem;border-bottom:1px solid #8884;text-align:left;vertical-align:top}"
    ".gate h2{padding:.5rem .8rem;border-radius:.4rem;color:#fff;background:#555}"
    ".gate.promoted h2{background:#17692f}.gate.refused h2{background:#9b1c1c}"
    ".gate.insufficient_evidence h2{background:#8a5a00}"
    ".gate tr.fail td:first-child{color:#c22;font-weight:600}.gate tr.open td:first-child{color:#a60;font-weight:600}"
)
