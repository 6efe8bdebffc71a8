"""The gate card: one page, verdict on top, each rule with figure, bound and a sentence. Knows verdicts, judges nothing.

As text for a terminal, markdown for a Prefect artifact, and HTML (`page.py`) for the report or a page of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from decot.gate.calibration import stored
from decot.gate.drawing import drawing
from decot.gate.figures import Evidence, Rung, Stress
from decot.gate.page import fragment, page
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
    if evidence is not None and evidence.ladder:
        lines += ["", *_ladder_rows(evidence.ladder)]
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


def _ladder_rows(ladder: Sequence[Rung]) -> list[str]:
    """Shown, not judged; the p-values are that the agent, or the best of the whole search, is no better."""
    width = max(len(rung.name) for rung in ladder)
    head = f"  beside simple rules (shown, not judged){'':<{max(width - 37, 1)}}"
    rows = [f"{head} net bps   p agent   p search (SPA)"]
    for rung in ladder:
        agent, search = ("–" if math.isnan(p) else f"{p:.3f}" for p in (rung.p_agent, rung.p_search))
        rows.append(f"  {rung.name:<{max(width, 39)}}{rung.net_bps:>+9.1f} {agent:>9} {search:>10}")
    return rows


def markdown_card(
    verdict: Verdict, evidence: Evidence | None = None, calibration: Mapping[str, Any] | None = None
) -> str:
    """The card as markdown, for a Prefect artifact."""
    lines = [f"## {_headline(verdict)}", ""]
    lines += [f"- {_cell(reason)}" for reason in verdict.reasons]
    # lists, not a table: Prefect cuts what does not fit into a cell, and the sentence is what matters
    for title, wanted in (("What stopped it", False), ("What holds", True)):
        found = [rule for rule in verdict.rules if rule.passed is wanted]
        lines += ["", f"### {title} ({len(found)})", ""] if found else []
        lines += [
            f"- {_sign(rule)} `{_cell(rule.name)}` **{number(rule.figure)}**, bound {number(rule.bound)}: {_cell(rule.why)}"
            for rule in found
        ]
    if evidence is not None and evidence.stress:
        lines += ["", "```", *_stress_rows(evidence.stress), "```"]
    if evidence is not None and evidence.ladder:
        lines += ["", "```", *_ladder_rows(evidence.ladder), "```"]
    if evidence is not None and evidence.notes:
        lines += ["", *(f"- {name}: {_cell(told)}" for name, told in sorted(evidence.notes.items()))]
    return "\n".join([*lines, "", _power_line(calibration), ""])


def _cell(told: str) -> str:
    return told.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def html_card(
    verdict: Verdict, evidence: Evidence | None = None, calibration: Mapping[str, Any] | None = None
) -> str:
    """The card as an HTML fragment with its own small style, no scripts; every text is escaped."""
    told = {"headline": _headline(verdict), "known": _power_line(calibration)}
    return fragment(verdict, evidence, told, number)


def html_page(
    verdict: Verdict, evidence: Evidence | None = None, calibration: Mapping[str, Any] | None = None
) -> str:
    """The card as one page of its own, for a screen or a sheet of paper."""
    calibration = stored() if calibration is None else calibration
    title = f"Gate card: {TITLES[verdict.verdict].lower()}"
    return page(html_card(verdict, evidence, calibration), title, calibration)


def svg_card(
    verdict: Verdict, evidence: Evidence | None = None, calibration: Mapping[str, Any] | None = None
) -> str:
    """The card as a picture for documents."""
    told = {"headline": _headline(verdict), "known": _power_line(calibration)}
    tables = _stress_rows(evidence.stress) if evidence is not None and evidence.stress else []
    if evidence is not None and evidence.ladder:
        tables += ["", *_ladder_rows(evidence.ladder)]
    return drawing(verdict, evidence, told, tables, number)
