"""The gate card as a picture for documents: one self-contained SVG, verdict on top. Knows verdicts, judges nothing."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from html import escape

from decot.gate.figures import Evidence
from decot.gate.verdict import Verdict

_COLOURS = {"promoted": "#17692f", "refused": "#9b1c1c", "insufficient_evidence": "#8a5a00"}
_WIDTH, _LINE, _CHARACTERS = 900, 17, 132


def drawing(
    verdict: Verdict,
    evidence: Evidence | None,
    told: Mapping[str, str],
    tables: list[str],
    number: Callable[[float | str], str],
) -> str:
    """Headline, facts, the rules that failed (or that all hold), the tables, and what is known of the gate.

    Args:
        told: `headline` and `known`, as on every card.
        tables: lines of fixed width, as on the text card.
    """
    lines: list[tuple[str, str]] = []
    if evidence is not None:
        lines += [("fact", f"{name}: {fact}") for name, fact in sorted(evidence.notes.items())]
    lines.append(("gap", ""))
    failed = [rule for rule in verdict.rules if not rule.passed]
    for rule in failed:
        sign = "FAIL" if rule.refuses else "open"
        lines.append(
            (sign, f"{sign}  {rule.name}  {number(rule.figure)}  (bound {number(rule.bound)})  {rule.why}")
        )
    if not failed:
        lines += [("fact", reason) for reason in verdict.reasons]
    lines.append(("gap", ""))
    lines += [("table", row) for row in tables]
    lines += [("gap", ""), ("fact", told["known"])]
    return _svg(verdict.verdict, told["headline"], lines)


def _svg(word: str, headline: str, lines: list[tuple[str, str]]) -> str:
    parts, y = [], 66
    for kind, text in lines:
        if kind == "gap":
            y += _LINE // 2
            continue
        rows = [text] if kind == "table" else textwrap.wrap(text, _CHARACTERS, subsequent_indent="      ")
        for row in rows:
            parts.append(f'<text class="{kind}" x="16" y="{y}" xml:space="preserve">{escape(row)}</text>')
            y += _LINE
    style = (
        "text{font:12px ui-monospace,monospace;fill:#222}.FAIL{fill:#b02020}.open{fill:#8a5a00}.fact{fill:#444}"
        "rect.page{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#ddd}.FAIL{fill:#ff7b72}.open{fill:#e0a84e}"
        ".fact{fill:#aaa}rect.page{fill:#15181c}}text.head{font:600 16px system-ui,sans-serif;fill:#fff}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 6}" width="{_WIDTH}"><style>{style}</style>'
        f'<rect class="page" width="{_WIDTH}" height="{y + 6}"/><rect width="{_WIDTH}" height="42" fill="{_COLOURS[word]}"/>'
        f'<text class="head" x="16" y="27">{escape(headline)}</text>{"".join(parts)}</svg>\n'
    )
