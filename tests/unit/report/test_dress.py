"""Colours that everybody can tell apart, on light, dark and paper: computed, not believed."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from decot.report.dress import DARK, LIGHT
from decot.report.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, RED

TOGETHER = {
    "the account and what others made": (BLUE, ORANGE, GREY, RED),
    "buy, sell and close on a price": (GREEN, RED, BLUE),
    "two runs": (BLUE, RED),
    "individuals and the front": (BLUE, GREY),
}
"""which colours stand in one picture"""

# Machado, Oliveira, Fernandes 2009, severity 1.0, in linear RGB
SIGHT = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: str) -> np.ndarray:
    plain = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(plain <= 0.04045, plain / 12.92, ((plain + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(one: str, other: str, sight: str) -> float:
    """CIE76 distance as such an eye sees it; 2.3 is just noticeable."""
    return float(np.linalg.norm(lab(SIGHT[sight] @ linear(one)) - lab(SIGHT[sight] @ linear(other))))


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    light, dark = sorted((float(weights @ linear(colour)) for colour in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("picture", TOGETHER)
def test_the_colours_of_a_picture_are_told_apart_by_every_eye(picture, sight):
    """Every pair that shares a picture is at least 15 apart, six times what is just noticeable."""
    for one, other in combinations(TOGETHER[picture], 2):
        assert apart(one, other, sight) >= 15, (one, other, sight)


def test_green_beside_grey_would_fail():
    """The check can fail: these two are far apart for most, and nearly one colour to a deuteranope."""
    assert apart(GREEN, GREY, "usual") > 40
    assert apart(GREEN, GREY, "deuteranopia") < 15


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "soft", "good", "bad", "wait", "link"])
def test_words_can_be_read_on_both_grounds(theme, name):
    """WCAG AA: 4.5 to 1, on the page and on a card."""
    assert contrast(theme[name], theme["paper"]) >= 4.5
    assert contrast(theme[name], theme["card"]) >= 4.5


@pytest.mark.parametrize("colour", [BLUE, ORANGE, GREEN, RED, PURPLE, GREY])
def test_lines_are_seen_on_both_grounds(colour):
    """At least 2 to 1 on white and on the dark page; lines are never told by colour alone (dash and mark differ too)."""
    assert min(contrast(colour, LIGHT["paper"]), contrast(colour, DARK["paper"])) >= 2.0
