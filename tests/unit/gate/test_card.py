"""The gate card: verdict on top, every rule with its sentence, in three forms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from decot.gate.card import html_card, markdown_card, text_card
from decot.gate.figures import Stress
from decot.gate.rules import judge

CALIBRATION = {
    "false_promotion": {"markets": 240, "rate": 0.0, "upper95": 0.0124},
    "power": {"declared_edge_bps": 2.0, "at_declared_edge": 0.96},
}


@pytest.mark.parametrize("form", [text_card, markdown_card, html_card])
@pytest.mark.parametrize("word", ["PROMOTED", "REFUSED", "INSUFFICIENT"])
def test_every_form_says_everything(evidence, make_stretch, form, word):
    """Verdict before any rule; each rule's name and reason; the stress table; what is known of the gate itself."""
    stress = (Stress(fee_x=1.0, latency_x=1.0, net_usdt=0.1, net_bps=52.6, n_trades=9),)
    changes = {
        "PROMOTED": {},
        "REFUSED": {"reproduced": False},
        "INSUFFICIENT": {"other_day": replace(make_stretch("other day", 0.15, n=30, seed=3))},
    }[word]
    whole = evidence(**changes, stress=stress)
    verdict = judge(whole)
    card = form(verdict, whole, CALIBRATION)
    assert card.index(word) < card.index("net_profit:validation")
    assert all(rule.name in card for rule in verdict.rules)
    assert "+52.6" in card
    assert "240 markets" in card
    if word == "INSUFFICIENT":
        assert f"{verdict.trades_needed} more round trips" in card


def test_text_from_elsewhere_is_escaped(evidence):
    """A column or head with markup in its name stays text in HTML and on its own line of the markdown."""
    verdict = judge(evidence(feature_leaks=("<script>alert(1)</script>|x",)))
    assert "<script>" not in html_card(verdict)
    rows = [line for line in markdown_card(verdict).splitlines() if "`feature_leaks`" in line]
    assert len(rows) == 1
    assert rows[0].startswith("- FAIL ")
    assert "<script>" not in rows[0]


def test_without_a_calibration_it_says_so(evidence):
    """A gate that was never tried is named as such."""
    assert "no stored calibration" in text_card(judge(evidence()), calibration={})
