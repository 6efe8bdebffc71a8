"""The gate card as a page and as a picture: whole documents, nothing fetched, nothing run."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from decot.gate.card import html_page, svg_card
from decot.gate.figures import Stress
from decot.gate.ladder import ladder
from decot.gate.rules import judge


def shown(evidence, **changes):
    stress = tuple(
        Stress(fee_x=f, latency_x=x, net_usdt=0.1, net_bps=50 - 9 * f - x, n_trades=9)
        for f in (1.0, 1.5, 2.0)
        for x in (1.0, 2.0, 5.0)
    )
    whole = evidence(stress=stress, notes={"venue": "demo <b>"}, **changes)
    whole = replace(whole, ladder=ladder(whole))
    return judge(whole), whole


def test_a_page_of_its_own(evidence):
    """Verdict first, failed rules before those that hold, tables of fees and of simple rules, the power curve below."""
    verdict, whole = shown(evidence, reproduced=False)
    page = html_page(verdict, whole)
    assert page.index("REFUSED") < page.index("reproduced") < page.index("net_profit:validation")
    assert page.count("<td") >= 9
    assert all(told in page for told in ("fees ×1.5", "latency ×5", "buy and hold", "p search", "<svg"))
    assert "demo &lt;b&gt;" in page
    assert not any(bad in page for bad in ("<script", "<link", "http://www.google", "src="))


def test_a_picture_is_whole_xml(evidence):
    """The SVG parses, names the verdict and every failed rule, and escapes what it is told."""
    verdict, whole = shown(evidence, reproduced=False, feature_leaks=("<x>&",))
    picture = svg_card(verdict, whole)
    root = ET.fromstring(picture)
    words = " ".join(element.text or "" for element in root.iter())
    assert "REFUSED" in words
    assert all(rule.name in words for rule in verdict.rules if not rule.passed)
    assert "<x>&" in words
